"""Model + layouts -> Python source of clients and servers; and finding it at run time."""
