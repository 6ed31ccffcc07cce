/** The colours of a look's surfaces. */
import type { Body } from '../body.js';
import type { Point } from '../solid.js';
import type { Lens } from './lens.js';
import { turned } from './lens.js';
import type { Look, Surface } from './look.js';
import { colourAt, type Photo } from './photo.js';

/** The photos of a look by their index; one that is missing leaves its surfaces plain gray. */
export type Photos = ReadonlyMap<number, Photo>;

/** Numbers of what a ray meets beside solids; those have 8 each, by face, from 8 on. */
export const SKY = 0;
export const GROUND = 1;
export const WALL = 2; // to 5
export const CEILING = 6;

/** A surface made ready: its photo, and the direction of that over its size. */
interface Ready {
  surface: Surface;
  photo: Photo | null;
  cos: number;
  sin: number;
}

/**
 * Colours what rays of a lens meet. Its fields carry the numbers between its functions, which would
 * otherwise take memory of their own at each call.
 */
export class Painter {
  /** the last colour, RGB, not limited to 255 */
  readonly colour = new Float32Array(3);
  /** distance of the place to colour, and the light that reaches it; set by the caller of `behind` */
  t = 0;
  light = 1;
  /** the place on the surface in the units of its size, v down; then on the photo */
  u = 0;
  v = 0;
  pixel = 0;
  private readonly ground: Ready | null;
  private readonly backdrop: Ready;
  private readonly walls: Ready[];
  private readonly solids: Ready[];
  private readonly turn: { cos: number; sin: number };

  constructor(
    private readonly look: Look,
    photos: Photos,
  ) {
    const ready = (surface: Surface): Ready => {
      const { cos, sin } = turned(surface.turn);
      const { size, photo } = surface;
      const picture = photo === null ? null : (photos.get(photo) ?? null);
      return { surface, photo: picture, cos: cos / size, sin: sin / size };
    };
    this.ground = look.ground && ready(look.ground);
    this.backdrop = ready(look.backdrop);
    this.walls = (look.room?.surfaces ?? []).map(ready);
    this.solids = look.solids.map(ready);
    this.turn = turned(look.room?.turn ?? 0);
  }

  /** Colours what the lens's ray meets behind the solids: the part with this number. */
  behind(lens: Lens, part: number): void {
    this.pixel = this.t * lens.step;
    if (part === SKY) this.sky(lens);
    else if (part === GROUND) this.floor(lens);
    else this.wall(lens, part);
  }

  private sky(lens: Lens): void {
    this.light = 1;
    if (this.look.flatBackdrop) {
      lens.aimAtScreen();
      this.u = lens.across;
      this.v = -lens.up;
      this.pixel = lens.step / lens.ahead;
    } else {
      const { dy, wx, wz } = lens;
      this.u = Math.atan2(wx, wz);
      this.v = -Math.atan2(dy, Math.sqrt(wx * wx + wz * wz));
      this.pixel = lens.step;
    }
    this.paint(this.backdrop);
  }

  private floor({ dx, dy, dz, wx, wz }: Lens): void {
    const { colour, t } = this;
    const length = Math.sqrt(dx * dx + dy * dy + dz * dz);
    this.u = wx * t;
    this.v = -wz * t;
    this.pixel /= Math.sqrt(Math.max(0.05, -dy / length));
    this.paint(this.ground!);
    const { haze } = this.look;
    const share = 1 - Math.exp((-t * t) / (haze.distance * haze.distance));
    colour[0]! += (haze.colour[0] - colour[0]!) * share;
    colour[1]! += (haze.colour[1] - colour[1]!) * share;
    colour[2]! += (haze.colour[2] - colour[2]!) * share;
  }

  private wall({ dy, wx, wz }: Lens, part: number): void {
    const { t } = this;
    const { cos, sin } = this.turn;
    const x = (wx * cos - wz * sin) * t;
    const z = (wx * sin + wz * cos) * t;
    this.light = 1;
    this.u = part === CEILING || part >= WALL + 2 ? x : z;
    this.v = part === CEILING ? z : -(this.look.camera.height + dy * t);
    this.paint(this.walls[part - WALL]!);
  }

  /** Colours the solid with this index where the lens's ray has hit it. */
  solid(index: number, body: Body, { dx, dy, dz, step }: Lens): void {
    const { cosTurn: c, sinTurn: s, t, face, shape } = body;
    const x = (body.ox + dx * t) * c - (body.oz + dz * t) * s;
    const z = (body.ox + dx * t) * s + (body.oz + dz * t) * c;
    this.light = body.shade;
    this.pixel = t * step;
    this.u = x;
    this.v = -(body.oy + dy * t);
    if (shape === 'cube' || shape === 'pyramid') {
      if (shape === 'cube' && face === 2) this.v = -z;
      else if (face === 0 || face === 3) this.u = z;
    } else if (shape === 'cylinder' && face === 1) this.v = -z;
    else if (shape !== 'torus') this.u = Math.atan2(x, -z) * body.radius;
    this.paint(this.solids[index]!);
  }

  private paint({ surface, photo, cos, sin }: Ready): void {
    const { colour, contrast, size, shift } = surface;
    const { u, v, light } = this;
    const out = this.colour;
    this.u = u * cos - v * sin + shift[0];
    this.v = u * sin + v * cos + shift[1];
    if (photo === null) {
      // slow waves of brightness; not worth computing where they are too long to be seen
      const wave =
        size > NO_WAVES ? 0 : Math.sin(this.u * TURN) + Math.sin((this.u * 0.4 + this.v) * TURN);
      setColour(out, colour, (surface.photo === null ? 1 : 128) * light * (1 + 0.05 * wave));
      return;
    }
    const { mean } = photo;
    this.pixel /= size;
    colourAt(photo, this, out);
    if (surface.tinted) {
      const brightness =
        (out[0]! + out[1]! + out[2]! + DARK) / (mean[0] + mean[1] + mean[2] + DARK);
      const wanted = 1 + contrast * (brightness - 1);
      setColour(out, colour, Math.min(BRIGHTEST, Math.max(DARKEST, wanted)) * light);
      return;
    }
    out[0] = (mean[0] + (out[0]! - mean[0]) * contrast) * colour[0] * light;
    out[1] = (mean[1] + (out[1]! - mean[1]) * contrast) * colour[1] * light;
    out[2] = (mean[2] + (out[2]! - mean[2]) * contrast) * colour[2] * light;
  }
}

function setColour(out: Float32Array, [red, green, blue]: Point, gain: number): void {
  out[0] = red * gain;
  out[1] = green * gain;
  out[2] = blue * gain;
}

const TURN = 2 * Math.PI;
/** Waves of this length are not seen. */
export const NO_WAVES = 1e5;
/** Keeps dark photos from having strong patterns. */
const DARK = 30;
/** Bounds within which a tinted surface keeps the colour that it is called by; chosen by eye. */
const DARKEST = 0.5;
const BRIGHTEST = 1.3;
