"""Features that others publish without their videos: what lies where, read into videos for `building`."""
