/**
 * Generators to measure with: the page's own model of another width, size and number of blocks. All their weights
 * are zero, which takes as long as any others.
 */
import { pageModels } from "../models.ts";

export interface Network {
  /** Channels of the first layer. */
  ch: number;
  /** Width and height of the picture. */
  size: number;
  /** Residual blocks before the attention, and as many behind it. */
  blocks: number;
}

type Tensors = [name: string, shape: number[]][];

/** The header of the page's own model, which says what tensors a generator has. */
export class Template {
  #tensors: Tensors;
  #ch: number;

  private constructor(tensors: Tensors, ch: number) {
    this.#tensors = tensors;
    this.#ch = ch;
  }

  static async load(signal: AbortSignal): Promise<Template> {
    const file = await (await fetch(pageModels.sources.A2B as string, { signal })).arrayBuffer();
    const length = Number(new DataView(file).getBigUint64(0, true));
    const header = JSON.parse(new TextDecoder().decode(new Uint8Array(file, 8, length)));
    const { __metadata__, ...entries } = header as Record<string, { shape: number[] }> & {
      __metadata__: { ch: string };
    };
    const tensors = Object.entries(entries).map(([name, { shape }]) => [name, shape]);
    return new Template(tensors as Tensors, Number(__metadata__.ch));
  }

  /** The tensors of a network. */
  #of({ ch, blocks }: Network): Tensors {
    // Kernels have 7 or 3 rows, pictures 3 channels; every larger number counts channels.
    const scaled = (n: number) => (n < this.#ch ? n : (n * ch) / this.#ch);
    return this.#tensors
      .filter(([name]) => blockOf(name) < blocks)
      .map(([name, shape]) => [name, shape.map(scaled)]);
  }

  /** The model as a file. */
  file(network: Network): Blob {
    const { ch, size, blocks } = network;
    const header: Record<string, unknown> = {
      __metadata__: {
        format: "ugatit",
        format_version: "1",
        architecture: "light",
        direction: "A2B",
        ch: `${ch}`,
        n_res: `${blocks}`,
        n_res_decoder: `${blocks}`,
        img_size: `${size}`,
        img_ch: "3",
      },
    };
    let end = 0;
    for (const [name, shape] of this.#of(network)) {
      const start = end;
      end += 2 * product(shape);
      header[name] = { dtype: "F16", shape, data_offsets: [start, end] };
    }
    const text = new TextEncoder().encode(JSON.stringify(header));
    const length = new DataView(new ArrayBuffer(8));
    length.setBigUint64(0, BigInt(text.length), true);
    return new Blob([length.buffer, text, new Uint8Array(end)]);
  }

  /** The arithmetic of one translation: a multiplication and an addition for each weight that a pixel meets. */
  flops(network: Network): number {
    return this.#of(network)
      .filter(([name]) => name.endsWith(".weight"))
      .map(([name, shape]) => 2 * product(shape) * positions(name, shape, network.size))
      .reduce((a, b) => a + b, 0);
  }
}

/** The arithmetic of one residual block: two convolutions of 3x3 at a quarter of the size. */
export function blockFlops({ ch, size }: Network): number {
  return 2 * 2 * 9 * (4 * ch) ** 2 * (size / 4) ** 2;
}

/** Which residual block of its kind a tensor belongs to; -1 where to none. */
function blockOf(name: string): number {
  const [, encoder, decoder] =
    /^(?:DownBlock\.(\d+)\.conv_block|UpBlock1_(\d+))\./.exec(name) ?? [];
  if (encoder) return Number(encoder) - 12;
  return decoder ? Number(decoder) - 1 : -1;
}

/** How often a weight is used: for each pixel of its convolution's result, or once. */
function positions(name: string, shape: number[], size: number): number {
  if (shape.length !== 4) return 1;
  if (/^(DownBlock\.1|UpBlock2\.(7|11))\.weight/.test(name)) return size ** 2;
  return (/^(DownBlock\.5|UpBlock2\.2)\.weight/.test(name) ? size / 2 : size / 4) ** 2;
}

const product = (numbers: number[]) => numbers.reduce((a, b) => a * b, 1);
