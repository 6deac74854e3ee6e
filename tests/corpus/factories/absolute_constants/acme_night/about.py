SUMMARY = "Night vision for cameras"
