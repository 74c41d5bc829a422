"""TFRecord files as YouTube-8M publishes them."""

import struct

from datasets_scripts.building.youtube8m import masked_crc


def varint(value):
    low, rest = value & 0x7F, value >> 7
    return bytes([low | 0x80]) + varint(rest) if rest else bytes([low])


def message(*fields):
    """A protobuf message of (number, content) fields."""
    return b"".join(varint(number << 3 | 2) + varint(len(content)) + content for number, content in fields)


def byte_list(*values):
    return message((1, message(*((1, value) for value in values))))


def sequence_example(identity, rgb):
    """As YouTube-8M has them: a context with labels and id, then lists of audio and rgb, one byte a value."""
    labels = message((3, message((1, bytes([8, 100])))))
    context = [(b"labels", labels), (b"id", byte_list(identity.encode()))]
    audio = [byte_list(bytes(128)) for _ in rgb]
    lists = [(b"audio", audio), (b"rgb", [byte_list(row.tobytes()) for row in rgb])]
    pairs = [(1, message((1, name), (2, value))) for name, value in context]
    series = [(1, message((1, name), (2, message(*((1, one) for one in many))))) for name, many in lists]
    return message((1, message(*pairs)), (2, message(*series)))


def write_tfrecord(path, records):
    content = b""
    for record in records:
        length = struct.pack("<Q", len(record))
        content += length + struct.pack("<I", masked_crc(length)) + record
        content += struct.pack("<I", masked_crc(record))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path
