"""The demo: synthetic people, leads and purchases, made through the site's own services. Only with DEBUG."""
