"""Reading satellite and aerial images: files, folders of tiles and STAC items, on any grid."""
