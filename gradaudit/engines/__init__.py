"""Where the work runs: in this process, in several on this machine, or on a cluster; behind one seam (`base`)."""
