# SPDX-License-Identifier: MIT
"""Group 6: UTF-8 (RFC 6455, section 8.1, and RFC 3629)."""
from case import Case, cont, text
from clients import TEXT

KOSME = bytes.fromhex("ceba e1bdb9 cf83 cebc ceb5")   # κόσμε
EDITED = b"edited"
SURROGATE = KOSME + b"\xed\xa0\x80" + EDITED
ABOVE = b"\xf4\x90\x80\x80"


def in_fragments(parts):
    """A text in fragments of these bytes."""
    frames = [text(parts[0], fin=len(parts) == 1)]
    frames += [cont(p, fin=i == len(parts) - 1)
               for i, p in enumerate(parts[1:], 1)]
    return frames


def bytewise(data):
    return in_fragments([data[i:i + 1] for i in range(len(data))])


def handling():
    empty = [(TEXT, b"")]
    long = "Hello-µ@ßöäüàá-UTF-8!!".encode()
    yield Case("6.1.1", "empty text", [text()], want=empty,
               group="empty texts and fragments")
    yield Case("6.1.2", "three empty fragments",
               in_fragments([b"", b"", b""]), want=empty,
               group="empty texts and fragments")
    yield Case("6.1.3", "an empty fragment at both ends",
               in_fragments([b"", b"middle", b""]),
               want=[(TEXT, b"middle")], group="empty texts and fragments")
    group = "valid UTF-8 in fragments"
    yield Case("6.2.1", "in one frame", [text(long)], want=[(TEXT, long)],
               group=group)
    yield Case("6.2.2", "cut between characters",
               in_fragments([long[:9], long[9:]]), want=[(TEXT, long)],
               group=group)
    yield Case("6.2.3", "a fragment for each byte", bytewise(long),
               want=[(TEXT, long)], group=group)
    yield Case("6.2.4", "a fragment for each byte of κόσμε",
               bytewise(KOSME), want=[(TEXT, KOSME)], group=group)
    group = "invalid UTF-8 in fragments"
    yield Case("6.3.1", "in one frame", [text(SURROGATE)], close=1007,
               group=group)
    yield Case("6.3.2", "a fragment for each byte", bytewise(SURROGATE),
               close=1007, group=group)
    group = "invalid UTF-8 ends it at the first wrong byte"
    yield Case("6.4.1", "in the second of three fragments",
               in_fragments([KOSME, ABOVE, EDITED]), "frame", close=1007,
               early=2, group=group)
    yield Case("6.4.2", "in the second of three fragments, its first bytes",
               in_fragments([KOSME + b"\xf4", b"\x90", b"\x80\x80" +
                             EDITED]), "frame", close=1007, early=2,
               group=group)
    whole = text(KOSME + ABOVE + EDITED)
    for i, cut in [(3, 6 + len(KOSME) + 4), (4, 6 + len(KOSME) + 2)]:
        yield Case(f"6.4.{i}", "in the middle of a frame",
                   [whole[:cut], whole[cut:]], "frame", close=1007, early=1,
                   group=group)


def sequences():
    """(section, what its sequences have in common, [(bytes, valid)])"""
    def all_of(valid, *parts):
        return [(p, valid) for p in parts]

    def hello(middle):
        return ("hello" + middle + "world").encode()

    yield 5, "some valid sequences", all_of(
        True, hello("$"), hello("¢"), hello("€"), hello("\U00024b62"), KOSME)
    yield 6, "all prefixes of κόσμε", [
        (KOSME[:n], n in (2, 5, 7, 9, 11)) for n in range(1, 12)]
    yield 7, "the first sequence of each length", all_of(
        True, b"\x00", b"\xc2\x80", b"\xe0\xa0\x80", b"\xf0\x90\x80\x80")
    yield 8, "the first sequences of 5 and 6 bytes", all_of(
        False, b"\xf8\x88\x80\x80\x80", b"\xfc\x84\x80\x80\x80\x80")
    yield 9, "the last sequence of each length", all_of(
        True, b"\x7f", b"\xdf\xbf", b"\xef\xbf\xbf", b"\xf4\x8f\xbf\xbf")
    yield 10, "the last sequences of 4, 5 and 6 bytes", all_of(
        False, b"\xf7\xbf\xbf\xbf", b"\xfb\xbf\xbf\xbf\xbf",
        b"\xfd\xbf\xbf\xbf\xbf\xbf")
    yield 11, "other boundaries", all_of(
        True, b"\xed\x9f\xbf", b"\xee\x80\x80", b"\xef\xbf\xbd",
        b"\xf4\x8f\xbf\xbf") + [(ABOVE, False)]
    yield 12, "continuation bytes alone", all_of(
        False, b"\x80", b"\xbf", *[b"\x80\xbf" * (n // 2) + b"\x80" * (n % 2)
                                   for n in range(2, 7)],
        bytes(range(0x80, 0xc0)))
    yield 13, "first bytes alone", all_of(
        False, *[b"".join(bytes([b, 0x20]) for b in range(low, high))
                 for low, high in [(0xc0, 0xe0), (0xe0, 0xf0), (0xf0, 0xf8),
                                   (0xf8, 0xfc), (0xfc, 0xfe)]])
    cut = [b"\xc0", b"\xe0\x80", b"\xf0\x80\x80", b"\xf8\x80\x80\x80",
           b"\xfc\x80\x80\x80\x80", b"\xdf", b"\xef\xbf", b"\xf7\xbf\xbf",
           b"\xfb\xbf\xbf\xbf", b"\xfd\xbf\xbf\xbf\xbf"]
    yield 14, "the last byte is missing", all_of(False, *cut)
    yield 15, "unfinished sequences in a row", all_of(False, b"".join(cut))
    yield 16, "impossible bytes", all_of(
        False, b"\xfe", b"\xff", b"\xfe\xfe\xff\xff")
    yield 17, "/ in too many bytes", all_of(
        False, b"\xc0\xaf", b"\xe0\x80\xaf", b"\xf0\x80\x80\xaf",
        b"\xf8\x80\x80\x80\xaf", b"\xfc\x80\x80\x80\x80\xaf")
    yield 18, "the most in too many bytes", all_of(
        False, b"\xc1\xbf", b"\xe0\x9f\xbf", b"\xf0\x8f\xbf\xbf",
        b"\xf8\x87\xbf\xbf\xbf", b"\xfc\x83\xbf\xbf\xbf\xbf")
    yield 19, "NUL in too many bytes", all_of(
        False, b"\xc0\x80", b"\xe0\x80\x80", b"\xf0\x80\x80\x80",
        b"\xf8\x80\x80\x80\x80", b"\xfc\x80\x80\x80\x80\x80")
    halves = [b"\xed\xa0\x80", b"\xed\xad\xbf", b"\xed\xae\x80",
              b"\xed\xaf\xbf", b"\xed\xb0\x80", b"\xed\xbe\x80",
              b"\xed\xbf\xbf"]
    yield 20, "halves of surrogates", all_of(False, *halves)
    yield 21, "pairs of surrogates", all_of(
        False, *[a + b for a in halves[:4]
                 for b in (b"\xed\xb0\x80", b"\xed\xbf\xbf")])
    yield 22, "valid code points that are no characters", all_of(
        True, "\ufffe".encode(), "\uffff".encode(),
        *[chr(plane << 16 | low).encode() for plane in range(1, 17)
          for low in (0xfffe, 0xffff)])
    yield 23, "special code points", all_of(
        True, *[chr(c).encode() for c in range(0xfff9, 0x10000)])


def cases():
    yield from handling()
    for section, what, rows in sequences():
        for i, (data, valid) in enumerate(rows, 1):
            yield Case(f"6.{section}.{i}", data.hex(" "), [text(data)],
                       want=[(TEXT, data)] if valid else [],
                       close=None if valid else 1007, group=what)
