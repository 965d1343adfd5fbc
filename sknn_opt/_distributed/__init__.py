"""How one network is trained on the partitions of a Dask collection."""
