"""How times are written where Django writes them: as on the pages of the site."""
