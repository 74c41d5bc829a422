"""Generated sound and picture whose highlights are known."""

# Kinds of soundtrack, and those of them that have recorded sounds if there is a library of recordings.
WORLDS = ("generated", "wider", "recorded", "single")
RECORDED_WORLDS = ("recorded", "single")
