"""What a run has learned by when, for docs/training.md. Needs Pillow.

python3 progress.py OUT.png RUN:ITERATION...

Each RUN:ITERATION is a column of the moving average's translations of test pictures, cut from the run's sample sheets;
the first column has the pictures themselves, from the last run. Above A2B, below B2A.
"""

import sys
from pathlib import Path

from PIL import Image

# In a sample sheet: its rows, the columns of the test pictures, and those of them that are shown.
ROWS, COLUMNS = 9, 10
REAL, AVERAGE = 0, 8
SHOWN = [5, 7, 8, 9]
GAP = 4


def cells(run, iteration, direction, row):
    sheet = Image.open(Path(run) / f"samples/{direction}_{int(iteration):07}.png")
    width, height = sheet.width // COLUMNS, sheet.height // ROWS
    return [sheet.crop((x * width, row * height, (x + 1) * width, (row + 1) * height)) for x in SHOWN]


def main(out, *columns):
    columns = [column.rsplit(":", 1) for column in columns]
    columns = [(*columns[-1], REAL)] + [(*column, AVERAGE) for column in columns]
    side = cells(*columns[0][:2], "A2B", REAL)[0].width
    step = side + GAP
    whole = Image.new("RGB", (len(columns) * step - GAP, 2 * len(SHOWN) * step + GAP), "white")
    for x, (run, iteration, row) in enumerate(columns):
        pictures = cells(run, iteration, "A2B", row) + cells(run, iteration, "B2A", row)
        for y, picture in enumerate(pictures):
            whole.paste(picture, (x * step, y * step + (2 * GAP if y >= len(SHOWN) else 0)))
    # 256 colours are enough for drawn faces, and a third of the bytes.
    whole.quantize(256).save(out, optimize=True)


main(*sys.argv[1:])
