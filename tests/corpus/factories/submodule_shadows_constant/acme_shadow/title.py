TITLE = "shadow"
