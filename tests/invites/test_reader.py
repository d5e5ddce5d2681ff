"""What HR systems export, byte by byte: each file with what must be read from it, or the refusal."""

import base64
import io
import re
import struct
import zipfile
import zlib
from dataclasses import dataclass, field
from xml.sax.saxutils import escape

import pytest

from portal.errors import Invalid, TooLarge
from portal.invites.rules import (
    MOST_BYTES,
    MOST_ROWS,
    NO_HEADER,
    Mapping,
    entries_from_text,
    header_fingerprint,
    parse_address,
    propose_mapping,
    read_table,
)

MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
RELATIONSHIPS = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
PACKAGE = "http://schemas.openxmlformats.org/package/2006"


LEGACY = zlib.decompress(
    base64.b85decode(
        "c-rk)O=uHA6#iy+lcuF@(l!-Zp@f1}Yb%HsFKw!{)=NXRhpH6pHrYZ*vMDhK^<uTgn;>{nycFueOVx`%sG#7%gV3UaAP7l4dJ+^o"
        "v{~Q0?3T1vXuuXK`z`Zk=FOX#xAWe-ncc;OhWzZK)&ka{7b=QYHN0g!L8;oQ1VHVUC5uk(qhz_*QK<HjA-x_vuX|S|Z7A(sfP#nG"
        "Yofpsr7=t)k~WRdHsToTpbM!(kI=~X6x^j$j~3Rek!h4^6VnGQ`+{j7b8ay0A=$h*i-mBc^9YS2pVLY^x78CBc*1=?Gv^SR@mBir"
        "<(s19^Bx?{#P#G3YiQGIF$Xf~pkW#rS@+`}YJf9@?xCUX{{B3IWbQfqv_ilSXJ5Yxx%}<r3lRU;T7K1E_&ze?dj2g%1Eyh(3+c=`"
        "a_TWndV&`x;<1=v=1_-^9x3a=NLHVmT*f%ZY9F&OkkaGHCg8jg%^2A}J(@BO8W;4`RMMbvB6`Xow;4@m5+RnP9wTuxYS3<pq*dUJ"
        "X;KK$O><4p8hKW5YzeH1Ep@!(YKg|+=W+w@y8vmkeE<9Vp^4$}Ip$2Wex*}qk9<W~xFUN{=X!2YR@*zde1Pdy9(6aDTbTywEh+C9"
        "Zng`@XISPMw|3AxhZ!Hjd&|oEsGR$D@@ZS{Yj{7E=LZXyg7crkvuLMNFlI-R8FYy*ap$(gv#^s3J3f73+VV%N@+kpZcgsFn{aBH^"
        "lhD9aN{9_41WQQTt2E*<H}#dB(ObRllB?Q*W@oOuV6R`ls?K_pY6{iV)tX8*ZMCLR&0~+HY%o@7ZN0X<!edD@yky-}qSqHCuZ?(G"
        "$%@KGR&?RQg$oxhT)5a82>Twb@@<5_2l(z%W&hV%p;UB#ll-?hg)}```lK9yNqGhrEApRR@CautvB^Hp|3ZmTnmvOACRmR|#r{io"
        "YEk|^o9-C+cU!2^`HPk4xyAGU1_w45cm"
    )
)
"""An .xls as Excel 97 writes it: a hidden sheet, then a staff list from B2 on, with a date and a number."""


def cell(reference, value):
    if isinstance(value, str):
        return f'<c r="{reference}" t="inlineStr"><is><t>{escape(value)}</t></is></c>'
    return f'<c r="{reference}"><v>{value}</v></c>'


def sheet_rows(rows, *, first=1):
    return "".join(
        f'<row r="{number}">'
        + "".join(cell(f"{chr(65 + index)}{number}", value) for index, value in enumerate(row) if value != "")
        + "</row>"
        for number, row in enumerate(rows, first)
        if row
    )


def workbook(*sheets: tuple[str, str], strings=None, extra=()):
    """An .xlsx of ``(state, sheet data as XML)`` pairs, by hand: what no library would write can be written."""
    listed = "".join(f'<sheet name="S{n}" sheetId="{n}" state="{state}" r:id="rId{n}"/>' for n, (state, _) in enumerate(sheets, 1))
    links = "".join(
        f'<Relationship Id="rId{n}" Type="{RELATIONSHIPS}/worksheet" Target="worksheets/sheet{n}.xml"/>' for n in range(1, len(sheets) + 1)
    )
    kinds = '<Default Extension="xml" ContentType="application/xml"/>'
    parts = {
        "[Content_Types].xml": f'<Types xmlns="{PACKAGE}/content-types">{kinds}</Types>',
        "_rels/.rels": f'<Relationships xmlns="{PACKAGE}/relationships"><Relationship Id="rId1" '
        f'Type="{RELATIONSHIPS}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
        "xl/workbook.xml": f'<workbook xmlns="{MAIN}" xmlns:r="{RELATIONSHIPS}"><sheets>{listed}</sheets></workbook>',
        "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{PACKAGE}/relationships">{links}</Relationships>',
        **{
            f"xl/worksheets/sheet{n}.xml": f'<worksheet xmlns="{MAIN}"><sheetData>{rows}</sheetData></worksheet>'
            for n, (_, rows) in enumerate(sheets, 1)
        },
        **({"xl/sharedStrings.xml": f'<sst xmlns="{MAIN}">{strings}</sst>'} if strings else {}),
        **dict(extra),
    }
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, part in parts.items():
            archive.writestr(name, part)
    return made.getvalue()


def visible(rows, *, extra=()):
    return workbook(("visible", sheet_rows(rows)), extra=extra)


@dataclass
class File:
    """A nasty file and what must come out of it."""

    data: bytes
    rows: list[tuple[int, tuple[str, ...]]]
    mapping: Mapping | None
    encoding: str = "utf-8"
    delimiter: str | None = ","
    header: int | None = 1
    overruled: dict[str, object] = field(default_factory=dict)


FILES = {
    "plain, LF": File(
        b"email,name,role\nann@acme.example,Ann Lee,Learner\n",
        [(2, ("ann@acme.example", "Ann Lee", "Learner"))],
        Mapping(0, (1,), 2),
    ),
    "BOM, CRLF, semicolons, capitals": File(
        "\ufeffE-Mail;Full Name\r\nANN@acme.example;Änn Lée\r\n".encode(),
        [(2, ("ANN@acme.example", "Änn Lée"))],
        Mapping(0, (1,)),
        delimiter=";",
    ),
    "CR alone": File(b"Mail,Name\rann@acme.example,Ann\r", [(2, ("ann@acme.example", "Ann"))], Mapping(0, (1,))),
    "tabs": File(
        b"Display Name\tuserPrincipalName\nAnn\tann@acme.example\n",
        [(2, ("Ann", "ann@acme.example"))],
        Mapping(1, (0,)),
        delimiter="\t",
    ),
    "vertical bars": File(
        b"Email ID|Member Type\nann@acme.example|Admin",
        [(2, ("ann@acme.example", "Admin"))],
        Mapping(0, (), 1),
        delimiter="|",
    ),
    "UTF-16 little-endian with BOM, as Excel's Unicode text": File(
        "Name\tEmail\r\nअनु\tanu@acme.example\r\n".encode("utf-16"),
        [(2, ("अनु", "anu@acme.example"))],
        Mapping(1, (0,)),
        encoding="utf-16",
        delimiter="\t",
    ),
    "UTF-16 big-endian with BOM": File(
        b"\xfe\xff" + "Email;Name\nann@acme.example;Ann\n".encode("utf-16-be"),
        [(2, ("ann@acme.example", "Ann"))],
        Mapping(0, (1,)),
        encoding="utf-16",
        delimiter=";",
    ),
    "UTF-16 little-endian without BOM": File(
        "Email,Name\nann@acme.example,Ann\n".encode("utf-16-le"),
        [(2, ("ann@acme.example", "Ann"))],
        Mapping(0, (1,)),
        encoding="utf-16",
    ),
    "UTF-16 big-endian without BOM": File(
        "Email,Name\nann@acme.example,Ann\n".encode("utf-16-be"),
        [(2, ("ann@acme.example", "Ann"))],
        Mapping(0, (1,)),
        encoding="utf-16",
    ),
    "Windows-1252": File(
        "Name;Business Email\nJosé “Pepe” Núñez;jose@acme.example\n".encode("windows-1252"),
        [(2, ("José “Pepe” Núñez", "jose@acme.example"))],
        Mapping(1, (0,)),
        encoding="windows-1252",
        delimiter=";",
    ),
    "Excel's sep= line": File(
        b"sep=;\r\nName;Email\r\nDoe, Ann;ann@acme.example\r\nRoe, Bob;bob@acme.example\r\n",
        [(3, ("Doe, Ann", "ann@acme.example")), (4, ("Roe, Bob", "bob@acme.example"))],
        Mapping(1, (0,)),
        delimiter=";",
        header=2,
    ),
    "sep= of a tab, behind a BOM": File(
        b"\xef\xbb\xbfsep=\t\nEmail\tName\nann@acme.example\tAnn\n",
        [(3, ("ann@acme.example", "Ann"))],
        Mapping(0, (1,)),
        delimiter="\t",
        header=2,
    ),
    "a comma in every name, semicolons between": File(
        b"Employee Name;Work Email\nDoe, Ann;ann@acme.example\nRoe, Bob;bob@acme.example\nPoe, Eve;eve@acme.example\n",
        [
            (2, ("Doe, Ann", "ann@acme.example")),
            (3, ("Roe, Bob", "bob@acme.example")),
            (4, ("Poe, Eve", "eve@acme.example")),
        ],
        Mapping(1, (0,)),
        delimiter=";",
    ),
    "line breaks and doubled marks inside quotes": File(
        b'Name,Email\r\n"Ann\r\n""Annie"" Lee",ann@acme.example\r\n\r\n"Bob\nRoe",bob@acme.example\r\n',
        [(2, ('Ann\r\n"Annie" Lee', "ann@acme.example")), (5, ("Bob\nRoe", "bob@acme.example"))],
        Mapping(1, (0,)),
    ),
    "a space before the quotation mark": File(
        b'Email, Name\nann@acme.example, "Lee, Ann"\n', [(2, ("ann@acme.example", "Lee, Ann"))], Mapping(0, (1,))
    ),
    "UKG: apostrophes and semicolons": File(
        b"'Employee Name (Last Suffix, First MI)';'Email Address (Primary)'\n'O''Neil; Ann';'ann@acme.example'\n",
        [(2, ("O'Neil; Ann", "ann@acme.example"))],
        Mapping(1, (0,)),
        delimiter=";",
    ),
    "apostrophes in names aren't quotes": File(
        b"Name,Email\n'Abd al-Aziz,a@acme.example\n't Hart,t@acme.example\nO'Neil,o@acme.example\n",
        [
            (2, ("'Abd al-Aziz", "a@acme.example")),
            (3, ("'t Hart", "t@acme.example")),
            (4, ("O'Neil", "o@acme.example")),
        ],
        Mapping(1, (0,)),
    ),
    "SuccessFactors: keys, labels, and a status": File(
        b"STATUS,USERID,FIRSTNAME,LASTNAME,EMAIL,MANAGER\nStatus,User ID,First Name,Last Name,Email,Manager\n"
        b"active,1,Ann,Lee,ann@acme.example,9\ninactive,2,Bob,Roe,bob@acme.example,9\n",
        [
            (3, ("active", "1", "Ann", "Lee", "ann@acme.example", "9")),
            (4, ("inactive", "2", "Bob", "Roe", "bob@acme.example", "9")),
        ],
        Mapping(4, (2, 3), None, 0),
    ),
    "SuccessFactors with labels in German": File(
        b"STATUS,USERID,FIRSTNAME,LASTNAME,EMAIL\nStand,Benutzer,Vorname,Nachname,E-Mail-Adresse\nactive,1,Ann,Lee,ann@acme.example\n",
        [(3, ("active", "1", "Ann", "Lee", "ann@acme.example"))],
        Mapping(4, (2, 3), None, 0),
    ),
    "BambooHR: Work Email beside Home Email": File(
        b"Last Name,First Name,Home Email,Work Email\nLee,Ann,ann@home.example,ann@acme.example\n",
        [(2, ("Lee", "Ann", "ann@home.example", "ann@acme.example"))],
        Mapping(3, (1, 0)),
    ),
    "Workday: a title above, a total below": File(
        b"All Workers - Active,,\n,,\nWorker,Email - Primary Work,Supervisor Email\nAnn Lee,ann@acme.example,eve@acme.example\nTotal,1,\n",
        [(4, ("Ann Lee", "ann@acme.example", "eve@acme.example"))],
        Mapping(1),
        header=3,
    ),
    "one column of addresses without a header": File(
        b"ann@acme.example\n\n  \nBob <bob@acme.example>\n",
        [(1, ("ann@acme.example",)), (4, ("Bob <bob@acme.example>",))],
        Mapping(0),
        delimiter=None,
        header=None,
    ),
    "one column whose first address is mistyped stays complete": File(
        b"ann.acme.example\nbob@acme.example\neve@acme.example\n",
        [(1, ("ann.acme.example",)), (2, ("bob@acme.example",)), (3, ("eve@acme.example",))],
        Mapping(0),
        delimiter=None,
        header=None,
    ),
    "two columns without a header: the user says": File(
        b"Ann,ann@acme.example\nBob,bob@acme.example\n",
        [(1, ("Ann", "ann@acme.example")), (2, ("Bob", "bob@acme.example"))],
        None,
        header=None,
    ),
    "an unknown header: the user says": File(
        b"Wer;Kontakt\nAnn;ann@acme.example\n", [(2, ("Ann", "ann@acme.example"))], None, delimiter=";"
    ),
    "the word Email among the values is no header": File(
        b"Wer,Kontakt,Weg\nAnn,ann@acme.example,Email\n", [(2, ("Ann", "ann@acme.example", "Email"))], None
    ),
    "two addresses at work: the user says": File(
        b"Email,Work Email\na@acme.example,b@acme.example\n", [(2, ("a@acme.example", "b@acme.example"))], None
    ),
    "only a private address: the user says": File(b"Name,Personal Email\nAnn,ann@home.example\n", [(2, ("Ann", "ann@home.example"))], None),
    "ragged rows, and columns that are empty": File(
        b"Email,Name,,\nann@acme.example\nbob@acme.example,Bob,,\neve@acme.example,Eve,extra,\n",
        [
            (2, ("ann@acme.example", "", "")),
            (3, ("bob@acme.example", "Bob", "")),
            (4, ("eve@acme.example", "Eve", "extra")),
        ],
        Mapping(0, (1,)),
    ),
    "blanks of all kinds around headers": File(
        "\u200b Email\xa0,\xa0Name \nann@acme.example,Ann\n\xa0,\u200b\n".encode(),
        [(2, ("ann@acme.example", "Ann"))],
        Mapping(0, (1,)),
    ),
    "the end-of-file mark of DOS": File(b"Email\r\nann@acme.example\r\n\x1a", [(2, ("ann@acme.example",))], Mapping(0), delimiter=None),
    "overruled: Windows-1252 though it is UTF-8": File(
        "Email,Name\nann@acme.example,Änn\n".encode(),
        [(2, ("ann@acme.example", "Ã„nn"))],
        Mapping(0, (1,)),
        encoding="windows-1252",
        overruled={"encoding": "windows-1252"},
    ),
    "overruled: another delimiter": File(
        b"sep=,\nEmail;Name\nann@acme.example;Ann\n",
        [(3, ("ann@acme.example", "Ann"))],
        Mapping(0, (1,)),
        delimiter=";",
        header=2,
        overruled={"delimiter": ";"},
    ),
    "overruled: a header further down": File(
        b"Email,Name\nold,old\nMail,Full name\nann@acme.example,Ann\n",
        [(4, ("ann@acme.example", "Ann"))],
        Mapping(0, (1,)),
        header=3,
        overruled={"header_line": 3},
    ),
    "overruled: no header": File(
        b"Wer,Kontakt\nAnn,ann@acme.example\n",
        [(1, ("Wer", "Kontakt")), (2, ("Ann", "ann@acme.example"))],
        None,
        header=None,
        overruled={"header_line": NO_HEADER},
    ),
    ".xlsx, named .csv by its sender": File(
        visible(
            [
                ["Staff list"],
                [],
                ["Name", "Work Email", "No", "Share"],
                ["Ann", "ann@acme.example", 12, 1.5],
                [],
                ["Bob"],
            ]
        ),
        [(4, ("Ann", "ann@acme.example", "12", "1.5")), (6, ("Bob", "", "", ""))],
        Mapping(1, (0,)),
        encoding="xlsx",
        delimiter=None,
        header=3,
    ),
    ".xlsx whose first sheet is hidden, told that it is UTF-8": File(
        workbook(
            ("hidden", sheet_rows([["Email"], ["secret@acme.example"]])),
            ("veryHidden", sheet_rows([["Email"], ["secret@acme.example"]])),
            ("visible", sheet_rows([["Email", "Name"], ["ann@acme.example", "Ann\nLee"]], first=5)),
            ("visible", sheet_rows([["Email"], ["later@acme.example"]])),
        ),
        [(6, ("ann@acme.example", "Ann\nLee"))],
        Mapping(0, (1,)),
        encoding="xlsx",
        delimiter=None,
        header=5,
        overruled={"encoding": "utf-8"},
    ),
    ".xlsx with empty cells far out, as formatting leaves them": File(
        workbook(
            (
                "visible",
                sheet_rows([["Email"], ["ann@acme.example"]])
                + '<row r="1048576" ht="12.8"></row><row r="1048575"><c r="XFD1048575" s="1"/></row>',
            )
        ),
        [(2, ("ann@acme.example",))],
        Mapping(0),
        encoding="xlsx",
        delimiter=None,
    ),
    ".xls with a hidden first sheet": File(
        LEGACY,
        [(3, ("Änn", "ann@acme.example", "2026-04-01", "7"))],
        Mapping(1, (0,)),
        encoding="xls",
        delimiter=None,
        header=2,
    ),
    ".xlsx whose cells have no references": File(
        workbook(
            ("visible", '<row><c t="s"><v>0</v></c><c t="s"><v>1</v></c></row><row><c t="s"><v>2</v></c></row>'),
            strings="<si><t>Email</t></si><si><t>Name</t></si><si><t>ann@acme.example</t></si>",
        ),
        [(2, ("ann@acme.example", ""))],
        Mapping(0, (1,)),
        encoding="xlsx",
        delimiter=None,
    ),
}


@pytest.mark.parametrize("file", FILES.values(), ids=FILES)
def test_a_nasty_file_is_read(file):
    table = read_table(file.data, **file.overruled)
    assert (table.encoding, table.delimiter, table.header_line) == (file.encoding, file.delimiter, file.header)
    assert [tuple(row) for row in table.rows] == file.rows
    assert {len(row.cells) for row in table.rows} == {len(table.columns)}
    assert propose_mapping(table) == file.mapping


def bomb(name="xl/worksheets/sheet1.xml", size=30_000_000):
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/workbook.xml", "<workbook/>")
        archive.writestr(name, b" " * size)
    return made.getvalue()


def lying(data, *, declared):
    """The archive with each declared size replaced, in the local headers and in the directory."""
    changed = bytearray(data)
    for mark, offset in ((b"PK\x03\x04", 22), (b"PK\x01\x02", 24)):
        for match in re.finditer(re.escape(mark), data):
            struct.pack_into("<I", changed, match.start() + offset, declared)
    return bytes(changed)


def far(reference):
    row = re.sub(r"\D", "", reference)
    return f'<row r="{row}"><c r="{reference}"><v>1</v></c></row>'


def sheet_with(tail):
    return workbook(("visible", sheet_rows([["Email"], ["ann@acme.example"]]) + tail))


REFUSED = {
    "nothing": (b"", "CSV_EMPTY"),
    "blanks only": (b"\xef\xbb\xbf \n,,\n\xc2\xa0\n", "CSV_EMPTY"),
    "a header alone": (b"Email,Name\n", "CSV_EMPTY"),
    "a NUL": (b"Email\nann@acme.example\x00\n", "CSV_NUL"),
    "a NUL in UTF-16": ("Email\nann@acme.example\0\n".encode("utf-16"), "CSV_NUL"),
    "half a UTF-16 character": ("Email\nann@acme.example\n".encode("utf-16")[:-1], "CSV_UNREADABLE"),
    "neither UTF-8 nor Windows-1252": (b"Email\nann@acme.example \x81\n", "CSV_UNREADABLE"),
    "a quotation mark that is never closed": (
        b'Email,Name\na@acme.example,"Ann\nb@acme.example,Bob\n',
        "CSV_UNREADABLE",
    ),
    "a quotation mark closed by another's": (
        b'Name,Email\n"Ann,a@acme.example\nBob,b@acme.example\n"Eve",e@acme.example\n',
        "CSV_UNREADABLE",
    ),
    "a web page named .xls": (b"\n<html><table><tr><td>Email</td></tr></table></html>", "CSV_UNREADABLE"),
    "a PDF": (b"%PDF-1.7\nEmail\n", "CSV_UNREADABLE"),
    "a cell above 32 KiB": (b"Email,Name\na@acme.example," + b"x" * 32_769 + b"\n", "CSV_CELL_TOO_LONG"),
    "a cell above 32 KiB in bytes": (b"Email,Name\na@acme.example," + "अ".encode() * 10_923, "CSV_CELL_TOO_LONG"),
    "a cell above csv's own limit": (b"Email,Name\na@acme.example," + b"x" * 140_000 + b"\n", "CSV_CELL_TOO_LONG"),
    "201 columns": (b"Email" + b",x" * 200 + b"\na@acme.example" + b",x" * 200, "CSV_TOO_MANY_COLUMNS"),
    "100 001 rows": (b"Email\n" + b"a@b.example\n" * (MOST_ROWS + 1), "CSV_TOO_MANY_ROWS"),
    "a million commas in each of five lines": (b"Email\n" + (b"," * 1_000_000 + b"x\n") * 5, "CSV_TOO_MANY_COLUMNS"),
    "a ZIP that is no workbook": (bomb(name="readme.txt", size=10).replace(b"xl/w", b"xy/w"), "CSV_UNREADABLE"),
    "a broken ZIP": (visible([["Email"], ["ann@acme.example"]])[:-40], "CSV_UNREADABLE"),
    "the beginning of an .xls": (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600), "CSV_UNREADABLE"),
    "a workbook without a visible sheet": (workbook(("hidden", sheet_rows([["Email"]]))), "CSV_EMPTY"),
    "a sheet of nothing": (visible([]), "CSV_EMPTY"),
    "a ZIP bomb": (bomb(), "CSV_TOO_MUCH_INSIDE"),
    "a ZIP bomb in an unused part": (bomb(name="xl/media/image1.bin"), "CSV_TOO_MUCH_INSIDE"),
    "a ZIP bomb that says it is small": (lying(bomb(), declared=100), "CSV_TOO_MUCH_INSIDE"),
    "a cell in the last row": (sheet_with(far("A1048576")), "CSV_TOO_MANY_ROWS"),
    "a cell in the last column": (sheet_with(far("XFD3")), "CSV_TOO_MANY_COLUMNS"),
    "a rectangle too large": (sheet_with(far("GR100000")), "CSV_TOO_MUCH_INSIDE"),
    "a far cell with its attributes in another order": (
        sheet_with('<row r="3"><c s="1" r="XFD3"><v>1</v></c></row>'),
        "CSV_TOO_MANY_COLUMNS",
    ),
    "a far cell by its position": (
        sheet_with('<row r="1048576"><c s=" r=&quot;A1&quot;"><v>1</v></c></row>'),
        "CSV_TOO_MANY_ROWS",
    ),
    "a document type in a sheet": (
        visible([["Email"], ["ann@acme.example"]], extra=[("xl/x.xml", "<!DOCTYPE a><a><c/></a>")]),
        "CSV_UNREADABLE",
    ),
    "one long string in a hundred thousand cells": (
        workbook(
            ("visible", "".join(f'<row r="{n}"><c r="A{n}" t="s"><v>0</v></c></row>' for n in range(1, 90_001))),
            strings="<si><t>" + "x" * 2_000 + "</t></si>",
        ),
        "CSV_TOO_MUCH_INSIDE",
    ),
    "a NUL in a sheet": (visible([["Email"], ["ann_x0000_@acme.example"]]), "CSV_NUL"),
}


@pytest.mark.parametrize(("data", "code"), REFUSED.values(), ids=REFUSED)
def test_a_file_is_refused_with_one_sentence(data, code):
    with pytest.raises(Invalid) as refused:
        read_table(data)
    assert refused.value.code == code
    assert refused.value.message.endswith(".")
    assert refused.value.details == {"file": [refused.value.message]}


def test_five_mebibytes_are_read_and_one_byte_more_is_not():
    row = b"a@acme.example," + b"x" * 1009 + b"\n"
    data = b"Email,Note\n" + row * (MOST_BYTES // len(row) + 1)
    assert len(read_table(data[:MOST_BYTES]).rows) == MOST_BYTES // len(row)
    with pytest.raises(TooLarge) as refused:
        read_table(data[: MOST_BYTES + 1])
    assert refused.value.code == "CSV_TOO_LARGE"


def test_exactly_the_limits_are_read():
    table = read_table(b"Title\n\nEmail\n" + b"a@b.example\n" * MOST_ROWS)
    assert len(table.rows) == MOST_ROWS
    wide = read_table(b"Email" + b",x" * 199 + b"\na@acme.example," + b"x" * 32_768)
    assert (len(wide.columns), len(wide.rows[0].cells[1])) == (200, 32_768)


@pytest.mark.parametrize(
    ("overruled", "code", "named"),
    [
        ({"encoding": "koi8-r"}, "CSV_ENCODING_UNKNOWN", "encoding"),
        ({"encoding": "utf-8"}, "CSV_UNREADABLE", "file"),
        ({"delimiter": "x"}, "CSV_DELIMITER_UNKNOWN", "delimiter"),
        ({"header_line": 7}, "CSV_HEADER_LINE", "header_line"),
        ({"header_line": 2}, "CSV_HEADER_LINE", "header_line"),
        ({"header_line": -1}, "CSV_HEADER_LINE", "header_line"),
    ],
)
def test_an_overruling_that_makes_no_sense_is_refused(overruled, code, named):
    with pytest.raises(Invalid) as refused:
        read_table("Email\n\nänn@acme.example\n".encode("windows-1252"), **overruled)
    assert (refused.value.code, list(refused.value.details)) == (code, [named])


@pytest.mark.parametrize(
    "header",
    [
        *("email", "E-Mail", "MAIL", "Email Address", "EmailID", "Mail ID", "e_mail", "*Email", "UserPrincipalName"),
        *("Work Email", "official mail id", "Company E-mail", "Primary Email", "BUSINESS EMAIL", "Corporate Email"),
        *("Email (Work)", "Email - Primary Work", "Primary Work Email Address"),
    ],
)
def test_headers_of_the_address_at_work(header):
    assert propose_mapping(read_table(f"No,{header}\n1,ann@acme.example\n".encode())) == Mapping(1)


@pytest.mark.parametrize(
    "header",
    [
        *("Personal Email", "Private e-mail", "Home Email", "Manager Email", "Supervisor Email", "Emergency Email"),
        *("Mailing Address", "Email Sent", "Emailed On", "Username", "Mailbox"),
    ],
)
def test_headers_of_other_things(header):
    assert propose_mapping(read_table(f"No,{header}\n1,ann@acme.example\n".encode())) is None


def test_columns_that_nobody_named_get_a_number():
    assert read_table(b"Email,,Name\na@acme.example,x,Ann,y\n").columns == ("Email", "Column 2", "Name", "Column 4")
    assert read_table(b"Ann,a@acme.example\n").columns == ("Column 1", "Column 2")


def test_samples_are_three_different_values():
    table = read_table(b"Wer,Was\n a ,x\n\xc2\xa0,x\nb,x\na,x\nc,x\nd,x\n")
    assert table.samples() == (("a", "b", "c"), ("x",))


def test_a_choice_is_remembered_for_the_header_row():
    first = read_table(b"Wer;Kontakt\nAnn;ann@acme.example\n")
    assert header_fingerprint(first) == header_fingerprint(read_table(b"sep=,\n wer , KONTAKT\nBob,bob@acme.example,x\n"))
    assert header_fingerprint(first) != header_fingerprint(read_table(b"Kontakt;Wer\nann@acme.example;Ann\n"))


def test_the_users_choice_is_checked_against_the_table():
    table = read_table(b"STATUS,Wer,Nachname,Kontakt,Was\nactive,Ann,Lee,ann@acme.example,Admin\n")
    assert Mapping.from_indexes(table, email=3, name=[1, 2], role=4) == Mapping(3, (1, 2), 4, 0)
    assert Mapping.from_indexes(table, email=3, name=1) == Mapping(3, (1,), None, 0)
    for wrong in ({"email": 5}, {"email": -1}, {"email": 3, "name": 3}, {"email": 3, "role": 9}):
        with pytest.raises(Invalid) as refused:
            Mapping.from_indexes(table, **wrong)
        assert refused.value.code == "MAPPING_INVALID"


ADDRESSES = {
    "ann@acme.example": ("ann@acme.example", ""),
    " \xa0\u200bANN@Acme.Example\ufeff\n": ("ann@acme.example", ""),
    "mailto:Ann@acme.example?subject=Hi": ("ann@acme.example", ""),
    "Ann Lee <Ann@acme.example>": ("ann@acme.example", "Ann Lee"),
    '"Lee, Ann" <mailto:ann@acme.example>': ("ann@acme.example", "Lee, Ann"),
    "<ann@acme.example>": ("ann@acme.example", ""),
    "'+ann@acme.example": ("+ann@acme.example", ""),
    "'ann@acme.example'": ("ann@acme.example", ""),
    "o'neil+x@acme.example": ("o'neil+x@acme.example", ""),
    "Bob@BÜCHER.example": ("bob@xn--bcher-kva.example", ""),
    "bob@xn--bcher-kva.example": ("bob@xn--bcher-kva.example", ""),
    "अनु <anu@उदाहरण.भारत>": ("anu@xn--p1b6ci4b4b3a.xn--h2brj9c", "अनु"),
    "a" * 64 + "@acme.example": ("a" * 64 + "@acme.example", ""),
}


@pytest.mark.parametrize(("written", "parsed"), ADDRESSES.items())
def test_an_address_is_parsed(written, parsed):
    assert parse_address(written) == parsed


@pytest.mark.parametrize(
    "written",
    [
        *(
            "",
            "ann",
            "ann@",
            "@acme.example",
            "ann@acme",
            "ann@@acme.example",
            "ann lee@acme.example",
            "ann@acme..example",
        ),
        *(".ann@acme.example", "ann.@acme.example", "a..b@acme.example", "ann@-acme.example", "ann@acme-.example"),
        *("ann@acme.example, bob@acme.example", "ann@1.2.3.4", "ann@[127.0.0.1]", "a" * 65 + "@acme.example"),
        *(
            "ann@" + "x" * 64 + ".example",
            "ann@" + "abc." * 63 + "example",
            "änn@acme.example",
            "\u212aay@acme.example",
        ),
        *("ann\n@acme.example", "ann@acme.example\nBcc: x@y.example", "Ann <ann@acme.example> x"),
    ],
)
def test_what_is_no_address(written):
    assert parse_address(written) is None


def test_addresses_pasted_into_the_page():
    text = (
        "ann@acme.example, Bob <bob@acme.example>;eve@acme.example\r\n\n"
        '"Doe, John" <john@acme.example>, Roe, Jane <jane@acme.example>\n'
        "a@acme.example b@acme.example\nCat Lee\tcat@acme.example\nnobody,\n"
    )
    table = entries_from_text(text)
    assert [row.line for row in table.rows] == list(range(1, 10))
    assert [parse_address(row.cells[0]) for row in table.rows] == [
        ("ann@acme.example", ""),
        ("bob@acme.example", "Bob"),
        ("eve@acme.example", ""),
        ("john@acme.example", "Doe, John"),
        ("jane@acme.example", "Roe, Jane"),
        ("a@acme.example", ""),
        ("b@acme.example", ""),
        ("cat@acme.example", "Cat Lee"),
        None,
    ]
    assert propose_mapping(table) == Mapping(0)
    assert entries_from_text(" \n,;\n").rows == ()


def test_a_lie_about_sizes_is_no_way_around():
    data = visible([["Email"], ["ann@acme.example"]])
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        entry = archive.getinfo("xl/worksheets/sheet1.xml")
        assert zlib.crc32(archive.read(entry)) == entry.CRC
    assert read_table(lying(data, declared=1)).rows[0].cells == ("ann@acme.example",)
