# SPDX-License-Identifier: Apache-2.0
"""scrim info, verify and salvage, and what the other commands do with damage."""
import os
import random
import subprocess

from store_support import expect, main

CHUNK = 16384


def read(path):
    with open(path, "rb") as file:
        return file.read()


def flip(path, at, bit=0):
    with open(path, "r+b") as file:
        file.seek(at)
        byte = file.read(1)[0]
        file.seek(at)
        file.write(bytes([byte ^ 1 << bit]))


def zero(path, at, size):
    with open(path, "r+b") as file:
        file.seek(at)
        file.write(bytes(size))


def encrypted(place, name, content, *options):
    path = place.file(name, content)
    place.run("encrypt", *options, path)
    return path


def test_info(place):
    path = encrypted(place, "f", random.Random(1).randbytes(100000), "--chunk-size", "4K")
    text = place.run("info", path, key=False).decode()
    for part in ("XAES-256-GCM", "chunk_size  4096", "slot_size   4096", "wrapped for"):
        expect(part in text, True, part + text)
    info = place.json("info", path, key=False)[0]
    expect((info["format"], info["chunk_size"], info["slots"], len(info["keys"]), "content" in info),
           (1, 4096, [True, True], 1, False), str(info))
    expect(info["stored"], os.stat(path).st_size, "stored")
    with_key = place.json("info", path)[0]
    content = with_key["content"]
    expect((content["size"], content["in"], content["sealed"], with_key["file_id"]), (100000, "pages", True, info["file_id"]),
           str(content))
    small = place.json("info", encrypted(place, "g", b"x"))[0]
    expect((small["content"]["in"], small["slots"], small["stored"]), ("slot", [True, False], 4096), str(small))
    # The key's id is the only thing of it that is told.
    key = read(place.key)
    expect(key.hex() in place.run("info", path).decode(), False, "the key")
    expect(info["keys"][0]["id"] in place.run("info", path, key=place.other, status=12).decode() + place.error, True, "id")
    place.run("info", place.file("plain", b"plain"), status=1, text="is not an encrypted file")


def test_verify(place):
    content = random.Random(2).randbytes(10 * CHUNK + 77)
    path = encrypted(place, "f", content)
    place.run("verify", path, text="f: whole")
    result = place.json("verify", path)[0]
    expect((result["result"], result["damage"]), ("done", []), "json")
    stored = read(path)
    # Every page, one after the other: each is named, with what is lost, or is not used.
    seen, nodes = set(), 0
    for page in range(2, len(stored) // 4096):
        place.file("f", stored)
        flip(path, page * 4096 + 9, page % 8)
        result = place.json("verify", path, status=26)[0]
        expect((result["result"], result["error"], len(result["damage"])), ("failed", "EBADMSG", 1), str(result))
        damage = result["damage"][0]
        expect(damage["place"] <= page * 4096 < damage["place"] + CHUNK, True, str(damage))
        if damage["what"] == "chunk":
            expect((damage["offset"] % CHUNK, damage["length"]),
                   (0, min(CHUNK, len(content) - damage["offset"])), "extent")
            seen.add(damage["offset"])
        else:
            nodes += 1
    expect(seen, {i * CHUNK for i in range(11)}, "each chunk")
    # It goes on behind damage and behind a damaged file.
    place.file("f", stored)
    for page in (3, 20, len(stored) // 4096 - 1):
        flip(path, page * 4096 + 20)
    other = encrypted(place, "g", content)
    text = place.run("verify", path, other, status=26).decode()
    expect(text.count("damaged: 16384 bytes at offset"), 2, text)
    expect("damaged in" in place.error and "g: whole" in place.error, True, place.error)
    os.mkdir(place.name("tree"))
    os.rename(path, place.name("tree/f"))
    os.rename(other, place.name("tree/g"))
    place.file("tree/plain", b"plain")
    place.run("verify", "-r", place.name("tree"), status=26, text="1 done, 1 skipped, 1 failed")
    results = {os.path.basename(r["path"]): (r["result"], len(r["damage"])) for r in place.json("verify", "-r", place.name("tree"), status=26)}
    expect(results, {"f": ("failed", 3), "g": ("done", 0), "plain": ("skipped", 0)}, "json")
    place.run("verify", place.name("tree/g"), key=place.other, status=12)
    # In place nothing is done with a damaged file.
    before = read(place.name("tree/f"))
    place.run("decrypt", place.name("tree/f"), status=26, text="is damaged")
    expect(read(place.name("tree/f")) == before, True, "untouched")
    output = place.run("cat", place.name("tree/f"), status=26, text="is damaged")
    expect(content.startswith(output), True, "what cat wrote")


def test_zeros(place):
    """What a power loss leaves of a file that was just made: an empty one, encrypted or not."""
    for size in (1, 4096, 16384):
        path = place.file(f"zeros{size}", bytes(size))
        expect(place.run("cat", path), b"", f"{size} zeros")
        place.run("verify", path)
        place.run("decrypt", path, text="holds zeros alone")
        place.run("rekey", "--full", path, status=1, text="is not an encrypted file")
        expect(read(path), bytes(size), "left as it is")
        place.run("encrypt", path)
        expect(place.run("cat", path), bytes(size), "as a plain file it is one of zeros")
    # More than two slots are a plain file, and so is one with a byte that is none.
    for name, content in (("long", bytes(16385)), ("other", bytes(4095) + b"x")):
        place.run("cat", place.file(name, content), status=1, text="is not an encrypted file")


def test_slots(place):
    """One slot of two is enough, and its damage is told; without either there is nothing."""
    content = random.Random(3).randbytes(3 * CHUNK)
    for slot_size in ("4K", "8K"):
        size = int(slot_size[0]) * 1024
        for slot in (0, 1):
            for at in (0, 3, 9, 100, 470, 490, 600, size - 1):
                path = encrypted(place, f"f{slot}", content, "--slot-size", slot_size)
                flip(path, slot * size + at)
                # The seal is in slot 1. What was sealed never falls back, so it is damage; of the seal a power loss could
                # have done it, which nobody can tell: it is damage too.
                text = place.run("verify", path, status=26).decode()
                expect(f"the spare slot (at byte {slot * size} of the file)" in text, True, f"{slot} {at}: {text}")
                expect("a power loss may have torn it" in text, slot == 1, text)
                if at == 9:
                    damage = place.json("verify", path, status=26)[0]["damage"]
                    expect([(d["what"], d["length"], d["place"]) for d in damage], [("slot", 0, slot * size)], "as JSON")
                expect(place.run("cat", path) == content, True, f"slot {slot}, {at}")
                expect("one of its slots does not authenticate" in place.error, slot == 1, place.error)
        for slot in (0, 1):
            for spoil in (lambda: flip(path, slot * size + 700), lambda: zero(path, slot * size, size)):
                path = encrypted(place, f"f{slot}", content, "--slot-size", slot_size)
                spoil()
                # That a slot was never written is what a seal that the disk lost looks like.
                place.run("verify", path, status=26 if slot == 0 or read(path)[slot * size] else 0)
                place.run("compact", path)
                place.run("verify", path)
                expect(place.run("cat", path) == content, True, "after compact")
                for other in (0, 1):  # both are good
                    stored = read(path)
                    flip(path, other * size + 700)
                    expect(place.run("cat", path) == content, True, f"without slot {other}")
                    place.file(os.path.basename(path), stored)
        flip(path, 1 * size + 700)
        flip(path, 0 * size + 700)
        place.run("verify", path, status=26, text="neither of its two slots authenticates")
        place.run("salvage", path, "-o", place.name("none"), status=26)
        expect(os.path.exists(place.name("none")), False, "nothing was saved")
    # A small file has one slot alone.
    for at in (0, 5, 100, 500, 4000):
        path = encrypted(place, "small", b"small")
        flip(path, at)
        place.run("verify", path, status=26)
        place.run("cat", path, status=26)
        place.run("decrypt", path, status=26)
        place.run("encrypt", path, status=None)
        expect(read(path) != b"small", True, "plaintext from nowhere")


def holes_of(place, path, out, content, wanted_lost, **kwargs):
    result = place.json("salvage", path, "-o", out, "--force", status=26 if wanted_lost else 0)[0]
    saved = read(out)
    expect((len(saved), result["size"]), (len(content), len(content)), "size")
    lost = 0
    at = 0
    for hole in result["damage"]:
        begin, length = hole["offset"], hole["length"]
        expect(begin >= at, True, "in order")
        expect(saved[at:begin] == content[at:begin], True, f"whole up to {begin}")
        expect(saved[begin:begin + length] == bytes(length), True, f"a hole at {begin}")
        at = begin + length
        lost += length
    expect(saved[at:] == content[at:], True, "whole to the end")
    expect((lost, result["lost"]), (wanted_lost, wanted_lost), str(result))
    return result["damage"]


def test_salvage(place):
    content = random.Random(4).randbytes(45 * CHUNK + 1000)
    path, out = encrypted(place, "f", content), place.name("out")
    stored = read(path)
    holes_of(place, path, out, content, 0)
    place.run("salvage", path, "-o", out, status=1, text="exists")
    # The chunks follow each other from page 2 on; the entries of so few stand in the slot.
    flip(path, (2 + 4 * 7) * 4096)
    expect([d["offset"] for d in holes_of(place, path, out, content, CHUNK)], [7 * CHUNK], "the seventh")
    flip(path, (2 + 4 * 8 + 3) * 4096)
    flip(path, (2 + 4 * 40) * 4096)
    expect(len(holes_of(place, path, out, content, 3 * CHUNK)), 2, "neighbours are one hole")
    zero(path, (2 + 4 * 20) * 4096, 4 * 4096 * 4)
    holes_of(place, path, out, content, 7 * CHUNK)
    text = place.run("salvage", path, "-f", "-o", out, status=26, text="bytes are lost").decode()
    expect(text.count("a hole: "), 3, text)
    # A slot is gone as well.
    flip(path, 600)
    holes_of(place, path, out, content, 7 * CHUNK)
    # Of the end nothing is left.
    place.file("f", stored[:4096 * (2 + 4 * 30)])
    damage = holes_of(place, path, out, content, len(content) - 30 * CHUNK)
    expect(damage[-1]["offset"] + damage[-1]["length"], len(content), "to the end")
    # A node takes with it what is below it.
    place.file("f", stored)
    large = random.Random(5).randbytes(400 * 4096)
    path = encrypted(place, "large", large, "--chunk-size", "4K")
    pages = os.stat(path).st_size // 4096
    stored = read(path)
    nodes = 0
    for page in range(pages - 6, pages):
        place.file("large", stored)
        flip(path, page * 4096)
        what = place.json("verify", path, status=26)[0]["damage"]
        if what[0]["what"] == "node":
            nodes += 1
            holes_of(place, path, out, large, what[0]["length"])
    if nodes < 3:
        raise AssertionError(f"{nodes} nodes")


def test_salvage_newest(place):
    """A version that was not sealed and of which a page is damaged: reading takes the one before, salvage what is left of it."""
    path, out = encrypted(place, "f", bytes(30 * CHUNK)), place.name("out")
    fell_back = 0
    for _ in range(3):
        subprocess.run([place.libraries[0], path, place.key, "-7"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, check=True)
        content, stored = place.run("cat", path), read(path)
        for page in range(2, len(stored) // 4096):
            place.file("f", stored)
            flip(path, page * 4096 + 7)
            if fell_back < 6 and place.json("info", path)[0]["content"]["fell_back"]:
                fell_back += 1
                place.run("cat", path, status=None, text="its newest version was not whole; the one before it stands")
                holes_of(place, path, out, content, CHUNK)
        place.file("f", stored)
    if not fell_back:
        raise AssertionError("it never fell back")


def test_not_readable(place):
    for command in ("info", "verify", "cat", "rekey", "compact"):
        extra = ["--drop", "0" * 32] if command == "rekey" else []
        place.run(command, *extra, place.name("absent"), status=1, text="absent")
        place.run(command, *extra, place.file("plain", b"plain"), status=1, text="is not an encrypted file")
        place.run(command, *extra, "--nonsense", status=2, text="usage")
        place.run(command, *extra, status=2)
        expect(b"usage" in place.run(command, "--help"), True, "help")
    place.run("cp", "a", "b", status=2, text="--raw is needed")
    place.run("cp", "--raw", place.file("plain", b"plain"), place.name("copy"), status=1, text="is not an encrypted file")
    expect(place.leftovers(), [], "temporary files")
    # A version that is not known.
    path = encrypted(place, "f", b"x")
    stored = bytearray(read(path))
    stored[8] = 2
    place.file("f", bytes(stored))
    for command in ("info", "verify", "cat", "decrypt", "encrypt"):
        place.run(command, path, status=1, text="later version")


main(globals())
