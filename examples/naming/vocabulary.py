"""The plain names of sounds: which of AudioSet's classes are each, and which recordings it is right for."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from pathlib import Path

from datasets_scripts.synthesis.library import Recording

# "A .. B": those two and all between them, in the order of YAMNet's class map.
CLASSES = {
    "speech": "Speech .. Narration, monologue; Speech synthesizer; Whispering",
    "shouting": "Shout .. Children shouting",
    "screaming": "Screaming",
    "laughter": "Laughter .. Chuckle, chortle",
    "crying": "Crying, sobbing .. Wail, moan",
    "groaning": "Groan .. Grunt",
    "coughing": "Cough .. Sneeze",
    "singing": "Singing .. Rapping",
    "voices": "Babbling; Sigh; Humming",
    "applause": "Clapping; Applause",
    "cheering": "Cheering",
    "crowd": "Chatter .. Children playing",
    "footsteps": "Run; Walk, footsteps",
    "dog": "Dog .. Bow-wow; Whimper (dog); Canidae, dogs, wolves",
    "cat": "Cat .. Meow; Caterwaul",
    "horse": "Horse .. Neigh, whinny",
    "farm animal": "Livestock, farm animals, working animals; Cattle, bovinae .. Moo; Pig .. Sheep",
    "bird": "Fowl .. Honk; Bird .. Bird flight, flapping wings",
    "insect": "Insect .. Bee, wasp, etc.",
    "roar": "Growling; Roaring cats (lions, tigers) .. Roar",
    "animal": "Animal .. Domestic animals, pets; Wild animals; Rodents, rats, mice .. Mouse; "
    "Frog .. Whale vocalization",
    "music": "Music .. Harpsichord; Orchestra .. Harp; Harmonica .. Theremin; Pop music .. Scary music",
    "drums": "Percussion .. Tambourine; Cymbal",
    "bell": "Gong .. Tubular bells; Bell .. Change ringing (campanology); Singing bowl; "
    "Doorbell .. Ding-dong; Ding",
    "horn": "Vehicle horn, car horn, honking .. Toot; Air horn, truck horn; Train horn; Foghorn",
    "siren": "Emergency vehicle .. Fire engine, fire truck (siren); Siren .. Civil defense siren",
    "alarm": "Alarm; Alarm clock; Buzzer .. Fire alarm; Car alarm; Reversing beeps",
    "telephone": "Telephone .. Busy signal",
    "whistle": "Whistle .. Steam whistle; Whistling; Train whistle",
    "engine": "Engine .. Light engine (high frequency); Lawn mower; Medium engine (mid frequency) .. "
    "Accelerating, revving, vroom",
    "car": "Motor vehicle (road) .. Car; Skidding .. Truck; Bus; Traffic noise, roadway noise",
    "motorcycle": "Motorcycle",
    "train": "Rail transport .. Train; Railroad car, train wagon .. Subway, metro, underground",
    "aircraft": "Aircraft .. Fixed-wing aircraft, airplane",
    "vehicle": "Vehicle .. Ship",
    "explosion": "Explosion; Eruption .. Boom",
    "gunshot": "Gunshot, gunfire .. Cap gun",
    "fireworks": "Fireworks .. Firecracker",
    "thunder": "Thunderstorm .. Thunder",
    "crash": "Smash, crash .. Breaking",
    "glass": "Glass .. Shatter",
    "door": "Door; Sliding door .. Knock",
    "bang": "Burst, pop; Thump, thud .. Thunk; Bang .. Whack, thwack",
    "rain": "Rain .. Rain on surface",
    "wind": "Wind; Wind noise (microphone)",
    "water": "Water; Stream .. Waves, surf; Gurgling; Water tap, faucet .. Toilet flush; Liquid .. Boiling",
    "fire": "Fire .. Crackle",
    "tools": "Dental drill, dentist's drill; Chainsaw; Tools .. Drill",
    "whoosh": "Arrow .. Whoosh, swoosh, swish",
    "clock": "Clock .. Tick-tock",
}
# What is also a case of a more general name, which has their classes too and is not given beside them.
GENERAL = {
    "animal": ("dog", "cat", "horse", "farm animal", "bird", "insect", "roar"),
    "vehicle": ("car", "motorcycle", "train", "aircraft", "engine"),
    "crowd": ("applause", "cheering"),
    "voices": ("speech", "shouting", "screaming", "laughter", "crying", "groaning", "coughing", "singing"),
    "bang": ("explosion", "gunshot", "fireworks", "thunder", "crash", "door"),
}
# Names that are right for a kind of recordings, beside the general names of these.
KINDS = {
    "applause": ("applause", "cheering"),
    "bell": ("bell",),
    "bird": ("bird",),
    "breaking": ("glass", "crash"),
    "cheer": ("cheering", "applause", "shouting"),
    "crash": ("crash",),
    "engine": ("engine",),
    "fanfare": ("music",),
    "farm": ("animal",),
    "footstep": ("footsteps",),
    "machine": (),
    "nature": (),
    "percussion": ("drums", "music"),
    "roar": ("roar",),
    "scream": ("screaming", "shouting", "groaning", "crying"),
    "splash": ("water",),
    "weapon": ("bang", "whoosh"),
    "magic": ("whoosh",),
}
# The same for words in the names of files.
WORDS = {
    "car": "car bus truck skid vehicle",
    "motorcycle": "motorcycle motorbike",
    "train": "train monorail maglev subway",
    "aircraft": "jet plane airplane helicopter propeller vtol",
    "horse": "horse zebra",
    "animal": "frog frogs",
    "farm animal": "cow bull ox bison sheep lamb goat pig boar tusker donkey",
    "bird": "bird birds owl raven crow duck hen rooster",
    "insect": "bee fly mosquito hornet crickets grasshopper",
    "engine": "engine minecart",
    "tools": "saw benchsaw sawing sawmill chainsaw jackhammer smith toolsmith stonecutter stonemason "
    "stonegrind woodcutting woodcutter sharpening",
    "rain": "rain",
    "wind": "wind",
    "water": "water waterfall river drops droplets rain",
    "fire": "fire campfire",
    "clock": "clock",
    "fireworks": "fireworks firecracker",
    "glass": "glass",
    "telephone": "phone telephone",
    "alarm": "alarm crossing",
    "whistle": "whistle",
    "roar": "lion tiger bear",
}


def class_numbers(class_map: Path) -> dict[str, list[int]]:
    """The numbers of each name's classes in YAMNet's class map; general names have those of special ones."""
    with class_map.open(encoding="utf-8", newline="") as file:
        numbers = {row["display_name"]: int(row["index"]) for row in csv.DictReader(file)}
    own = {name: sorted(_numbers(classes, numbers)) for name, classes in CLASSES.items()}
    return {name: sorted({*own[name], *_below(name, own)}) for name in own}


def _numbers(classes: str, numbers: dict[str, int]) -> Iterator[int]:
    for part in classes.split("; "):
        first, _, last = part.partition(" .. ")
        yield from range(numbers[first], numbers[last or first] + 1)


def _below(name: str, own: dict[str, list[int]]) -> set[int]:
    return {number for below in GENERAL.get(name, ()) for number in own[below]}


def right_names(recording: Recording) -> set[str]:
    """The names that are right for a recording, by its kind and by words in its file's name."""
    words = set(re.split("[^a-z]+", recording.path.stem.lower()))
    names = {name for name in KINDS.get(recording.kind, (recording.kind,)) if name in CLASSES}
    names |= {name for name, listed in WORDS.items() if words & set(listed.split())}
    return names | {general for general, below in GENERAL.items() if names & set(below)}
