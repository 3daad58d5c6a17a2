#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Make the Verilog header, the C header and the table of every register block from its TOML file.

    generate.py            write rtl/regs/*_regs.svh, firmware/platform/regs/*.h, docs/registers/*.md
    generate.py --check    write nothing; status 1 and the names if a checked-in file differs
    generate.py FILE...    check that the named TOML files make sense, write nothing

Field masks are in place (already shifted to their position): value = (word & MASK) >> LSB.
"""

import difflib
import pathlib
import re
import sys
import tomllib

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
REGS = ROOT / "rtl" / "regs"
C_DIR = ROOT / "firmware" / "platform" / "regs"
DOC_DIR = ROOT / "docs" / "registers"

ACCESS = {
    "ro": "read only; writes are ignored",
    "rw": "read and write",
    "wo": "write only; reads as zero",
    "rw1c": "read; writing ones clears those bits",
}
BLOCK_KEYS = {"name", "title", "clock", "base", "stride", "size", "const", "reg"}
CONST_KEYS = {"name", "value", "desc"}
REG_KEYS = {"name", "offset", "access", "desc", "field"}
FIELD_KEYS = {"name", "lsb", "width", "desc"}


class Bad(Exception):
    """The TOML does not describe registers that could be built."""


def check_keys(where, table, allowed, required):
    for key in table:
        if key not in allowed:
            raise Bad(f"{where}: unknown key '{key}' (known: {', '.join(sorted(allowed))})")
    for key in required:
        if key not in table:
            raise Bad(f"{where}: '{key}' is missing")


def check_name(where, name, pattern):
    if not isinstance(name, str) or not re.fullmatch(pattern, name):
        raise Bad(f"{where}: name {name!r} must match {pattern}")


def check_int(where, table, key, low, high):
    value = table[key]
    if isinstance(value, bool) or not isinstance(value, int):
        raise Bad(f"{where}: {key} must be a whole number, is {value!r}")
    if not low <= value <= high:
        raise Bad(f"{where}: {key} {value:#x} is outside {low:#x}..{high:#x}")
    return value


def check_text(where, table, key):
    if not isinstance(table[key], str) or not table[key].strip() or "\n" in table[key]:
        raise Bad(f"{where}: {key} must be one line of text")


def check_field(where, field, taken):
    check_keys(where, field, FIELD_KEYS, FIELD_KEYS)
    check_name(where, field["name"], "[A-Z][A-Z0-9_]*")
    lsb = check_int(where, field, "lsb", 0, 31)
    width = check_int(where, field, "width", 1, 32)
    if lsb + width > 32:
        raise Bad(f"{where}: bits {lsb + width - 1}:{lsb} do not fit into 32")
    for bit in range(lsb, lsb + width):
        if bit in taken:
            raise Bad(f"{where}: bit {bit} belongs to {taken[bit]} already")
        taken[bit] = field["name"]
    check_text(where, field, "desc")


def check_reg(where, reg, size, offsets):
    check_keys(where, reg, REG_KEYS, REG_KEYS - {"field"})
    check_name(where, reg["name"], "[A-Z][A-Z0-9_]*")
    offset = check_int(where, reg, "offset", 0, size - 4)
    if offset % 4:
        raise Bad(f"{where}: offset {offset:#x} is not a multiple of 4")
    if offset in offsets:
        raise Bad(f"{where}: offset {offset:#x} belongs to {offsets[offset]} already")
    offsets[offset] = reg["name"]
    if reg["access"] not in ACCESS:
        raise Bad(f"{where}: access '{reg['access']}' is none of {', '.join(ACCESS)}")
    check_text(where, reg, "desc")
    taken = {}
    for field in reg.get("field", []):
        check_field(f"{where}.{field.get('name', '?')}", field, taken)


def check_block(path, block):
    where = path.name
    check_keys(where, block, BLOCK_KEYS, {"name", "title", "clock", "size"})
    check_name(where, block["name"], "[a-z][a-z0-9_]*")
    if block["name"] != path.stem:
        raise Bad(f"{where}: name '{block['name']}' differs from the file's")
    check_text(where, block, "title")
    if block["clock"] not in ("device", "link"):
        raise Bad(f"{where}: clock '{block['clock']}' is neither device nor link")
    size = check_int(where, block, "size", 4, 1 << 31)
    if size & (size - 1):
        raise Bad(f"{where}: size {size:#x} is not a power of two")
    if "base" in block and check_int(where, block, "base", 0, 0xFFFFFFFF) % size:
        raise Bad(f"{where}: base {block['base']:#x} is not a multiple of size {size:#x}")
    if "stride" in block:
        if "base" not in block:
            raise Bad(f"{where}: stride without base")
        if check_int(where, block, "stride", 4, 1 << 31) < size:
            raise Bad(f"{where}: stride {block['stride']:#x} is less than size {size:#x}")
    for const in block.get("const", []):
        at = f"{where}: const {const.get('name', '?')}"
        check_keys(at, const, CONST_KEYS, CONST_KEYS)
        check_name(at, const["name"], "[A-Z][A-Z0-9_]*")
        check_int(at, const, "value", 0, 0xFFFFFFFF)
        check_text(at, const, "desc")
    offsets = {}
    for reg in block.get("reg", []):
        check_reg(f"{where}: reg {reg.get('name', '?')}", reg, size, offsets)
    seen = set()
    for name, _, _ in symbols(block):
        if name in seen:
            raise Bad(f"{where}: two things make the name {name}")
        seen.add(name)


def check_bases(blocks):
    placed = sorted((b["base"], b) for b in blocks if "base" in b)
    for (low, a), (high, b) in zip(placed, placed[1:]):
        if low + a["size"] > high:
            raise Bad(f"{a['name']} at {low:#x} overlaps {b['name']} at {high:#x}")


def symbols(block):
    """Every (name, value, description) of a block, in the order of the file."""
    prefix = block["name"].upper()
    out = []
    for key, desc in (
        ("base", "first address as the soft core sees it"),
        ("stride", "distance from one instance to the next"),
        ("size", "bytes decoded"),
    ):
        if key in block:
            out.append((f"{prefix}_{key.upper()}", block[key], desc))
    for const in block.get("const", []):
        out.append((f"{prefix}_{const['name']}", const["value"], const["desc"]))
    for reg in block.get("reg", []):
        name = f"{prefix}_{reg['name']}"
        out.append((name, reg["offset"], f"{reg['access']}: {reg['desc']}"))
        for field in reg.get("field", []):
            mask = ((1 << field["width"]) - 1) << field["lsb"]
            out.append((f"{name}_{field['name']}_LSB", field["lsb"], None))
            out.append((f"{name}_{field['name']}_MASK", mask, field["desc"]))
    return out


def make_svh(block):
    lines = [
        "// SPDX-License-Identifier: BSD-2-Clause",
        f"// {block['title']}: offsets, fields and constants. Generated from rtl/regs/"
        f"{block['name']}.toml; do not edit.",
        "// Included inside a module. Masks are in place.",
        "/* verilator lint_off UNUSEDPARAM */",
    ]
    for name, value, desc in symbols(block):
        comment = f"  // {desc}" if desc else ""
        if name.endswith("_LSB"):
            lines.append(f"localparam int unsigned {name} = {value};{comment}")
        else:
            lines.append(f"localparam logic [31:0] {name} = 32'h{value:08X};{comment}")
    lines.append("/* verilator lint_on UNUSEDPARAM */")
    return "\n".join(lines) + "\n"


def make_h(block):
    guard = f"MPDISK_REGS_{block['name'].upper()}_H"
    lines = [
        "/* SPDX-License-Identifier: BSD-2-Clause */",
        f"/* {block['title']}: offsets, fields and constants. Generated from rtl/regs/"
        f"{block['name']}.toml; do not edit. Masks are in place. */",
        "/* clang-format off */",
        f"#ifndef {guard}",
        f"#define {guard}",
        "",
    ]
    for name, value, desc in symbols(block):
        if name.endswith("_LSB"):
            lines.append(f"#define {name} {value}")
            continue
        if desc:
            lines.append(f"/* {desc} */")
        lines.append(f"#define {name} 0x{value:02X}u")
    lines += ["", f"#endif /* {guard} */"]
    return "\n".join(lines) + "\n"


def md(text):
    return text.replace("|", "\\|")


def make_md(block):
    name = block["name"]
    lines = [f"# {block['title']} (`{name}`)", "", f"Generated from `rtl/regs/{name}.toml`.", ""]
    clock = {"device": "device clock", "link": "link clock"}[block["clock"]]
    if "base" in block:
        at = f"Base {block['base']:#010x}"
        if "stride" in block:
            at += f" + {block['stride']:#x} for each instance"
    else:
        at = "By offset"
    lines += [f"{at}; {block['size']:#x} bytes; {clock}. All registers are 32 bits wide.", ""]
    if block.get("const"):
        lines += ["## Constants", "", "| name | value | |", "|---|---|---|"]
        for const in block["const"]:
            lines.append(f"| {const['name']} | {const['value']:#x} | {md(const['desc'])} |")
        lines.append("")
    if block.get("reg"):
        lines += ["## Registers", "", "| offset | name | access | |", "|---|---|---|---|"]
        for reg in block["reg"]:
            lines.append(
                f"| {reg['offset']:#05x} | {reg['name']} | {reg['access']} | {md(reg['desc'])} |"
            )
        lines.append("")
        used = [a for a in ACCESS if any(r["access"] == a for r in block["reg"])]
        lines += ["; ".join(f"{a}: {ACCESS[a].replace(';', ',')}" for a in used) + ".", ""]
    for reg in block.get("reg", []):
        if not reg.get("field"):
            continue
        lines += [f"### {reg['name']}", "", "| bits | field | |", "|---|---|---|"]
        for field in reg["field"]:
            high = field["lsb"] + field["width"] - 1
            bits = f"{high}:{field['lsb']}" if field["width"] > 1 else f"{high}"
            lines.append(f"| {bits} | {field['name']} | {md(field['desc'])} |")
        lines.append("")
    return "\n".join(lines).rstrip() + "\n"


def load(paths):
    blocks = []
    for path in paths:
        try:
            block = tomllib.loads(path.read_text())
        except (OSError, tomllib.TOMLDecodeError) as error:
            raise Bad(f"{path}: {error}") from None
        check_block(path, block)
        blocks.append(block)
    check_bases(blocks)
    return blocks


def outputs(blocks):
    files = {}
    for block in blocks:
        files[REGS / f"{block['name']}_regs.svh"] = make_svh(block)
        files[C_DIR / f"{block['name']}.h"] = make_h(block)
        files[DOC_DIR / f"{block['name']}.md"] = make_md(block)
    return files


def compare(files):
    bad = 0
    for path, text in files.items():
        old = path.read_text() if path.exists() else ""
        if old != text:
            bad += 1
            print(f"{path.relative_to(ROOT)} differs from what its TOML makes:", file=sys.stderr)
            diff = difflib.unified_diff(old.splitlines(), text.splitlines(), lineterm="", n=0)
            for line in list(diff)[2:12]:
                print(f"    {line}", file=sys.stderr)
    for folder, ending in ((REGS, "*_regs.svh"), (C_DIR, "*.h"), (DOC_DIR, "*.md")):
        for path in folder.glob(ending):
            if path not in files:
                bad += 1
                print(f"{path.relative_to(ROOT)} has no TOML", file=sys.stderr)
    return bad


def main(args):
    try:
        if args and args != ["--check"]:
            if any(a.startswith("-") for a in args):
                print("usage: generate.py [--check | FILE.toml...]", file=sys.stderr)
                return 2
            load([pathlib.Path(a) for a in args])
            return 0
        files = outputs(load(sorted(REGS.glob("*.toml"))))
    except Bad as error:
        print(f"generate.py: {error}", file=sys.stderr)
        return 1
    if args:
        return 1 if compare(files) else 0
    for path, text in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists() or path.read_text() != text:
            path.write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
