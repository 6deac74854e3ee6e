TITLE = "Night vision"
SUMMARY = TITLE + " for cameras"
