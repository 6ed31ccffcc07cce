/**
 * Renders a scene with a look: rays through all pixels meet the ground, the walls and the solids, whose
 * distances are exact, and take their colours from photos. Where neighbouring pixels show different
 * surfaces, the colour is the mean of 2x2 rays.
 */
import { FAR, type Rendered, type RenderOptions } from '../render.js';
import type { Scene } from '../scene.js';
import type { Solid } from '../solid.js';
import { Body, castRay } from '../solids.js';
import { frameTimes, type Placed, placeAt, type View, viewAt } from '../view.js';
import { type Look, type Room, type Surface, surfacesOf } from './look.js';
import { colourAt, type Photo } from './photo.js';

/** The photos of a look by their index; one that is missing leaves its surfaces plain gray. */
export type Photos = ReadonlyMap<number, Photo>;

/** Renders the pixels of a scene; at another size the same scene differs only in sampling. */
export function renderLook(
  scene: Scene,
  look: Look,
  photos: Photos,
  { width, height, numFrames }: RenderOptions,
): Rendered {
  const area = width * height;
  const frames = new Uint8Array(numFrames * area * 3);
  const depth = new Float32Array(numFrames * area);
  const masks = new Uint8Array(numFrames * area);
  const parts = new Uint8Array(area);
  frameTimes(scene, numFrames).forEach((time, f) => {
    const tracer = new Tracer(scene, look, photos, { width, height, time });
    const pixels = frames.subarray(f * area * 3, (f + 1) * area * 3);
    for (let row = 0, p = 0; row < height; row++) {
      for (let column = 0; column < width; column++, p++) {
        tracer.trace(column + 0.5, row + 0.5);
        depth[f * area + p] = tracer.t;
        masks[f * area + p] = tracer.id;
        parts[p] = tracer.part;
        setPixel(pixels, p, tracer.colour, 1);
      }
    }
    smoothEdges(tracer, parts, pixels, { width, height });
  });
  return { frames, depth, masks };
}

function smoothEdges(
  tracer: Tracer,
  parts: Uint8Array,
  pixels: Uint8Array,
  { width, height }: { width: number; height: number },
): void {
  const sum = new Float32Array(3);
  for (let row = 0, p = 0; row < height; row++) {
    for (let column = 0; column < width; column++, p++) {
      const part = parts[p];
      const isInside =
        (column === 0 || parts[p - 1] === part) &&
        (column === width - 1 || parts[p + 1] === part) &&
        (row === 0 || parts[p - width] === part) &&
        (row === height - 1 || parts[p + width] === part);
      if (isInside) continue;
      sum.fill(0);
      for (let sample = 0; sample < 4; sample++) {
        tracer.trace(column + (sample & 1 ? 0.75 : 0.25), row + (sample & 2 ? 0.75 : 0.25));
        for (let c = 0; c < 3; c++) sum[c]! += Math.min(255, tracer.colour[c]!);
      }
      setPixel(pixels, p, sum, 0.25);
    }
  }
}

function setPixel(pixels: Uint8Array, p: number, colour: Float32Array, share: number): void {
  for (let c = 0; c < 3; c++) pixels[p * 3 + c] = Math.min(255, colour[c]! * share + 0.5);
}

/** Nearer than this nothing is seen: the ray has met a surface that the camera is in. */
const NEAR = 0.05;

/** Numbers of surfaces; solids have 8 to a body from 8 on. */
const SKY = 0;
const GROUND = 1;
const WALL = 2; // to 5
const CEILING = 6;

/** Traces rays of one frame. The fields describe what the last one has met. */
class Tracer {
  /** distance along the optical axis */
  t = FAR;
  /** 0 for the background, otherwise 1 + the index of the solid */
  id = 0;
  /** number of the surface */
  part = SKY;
  readonly colour = new Float32Array(3);

  private readonly bodies: Body[];
  private readonly boxes: Float64Array[];
  private readonly shadows: { x: number; z: number; radius: number; strength: number }[];
  private readonly step: number;
  private readonly view: View;
  private readonly pitch: { cos: number; sin: number };
  private readonly roll: { cos: number; sin: number };
  private readonly yaw: { cos: number; sin: number };
  private readonly walls: { cos: number; sin: number };
  /** direction of each surface's photo, over its size */
  private readonly axes: ReadonlyMap<Surface, { cos: number; sin: number }>;
  private readonly width: number;
  private readonly height: number;

  constructor(
    scene: Scene,
    private readonly look: Look,
    private readonly photos: Photos,
    { width, height, time }: { width: number; height: number; time: number },
  ) {
    const { camera, room, shadow } = look;
    this.view = viewAt(scene, time);
    this.width = width;
    this.height = height;
    this.step = 1 / (Math.min(width, height) * this.view.focal);
    this.pitch = turned(camera.pitch);
    this.roll = turned(camera.roll);
    this.yaw = turned(this.view.yaw);
    this.walls = turned(room?.turn ?? 0);
    this.axes = new Map(
      surfacesOf(look).map((surface) => {
        const { cos, sin } = turned(surface.turn);
        return [surface, { cos: cos / surface.size, sin: sin / surface.size }];
      }),
    );
    const [lx, ly, lz] = scene.light;
    const { cos, sin } = this.yaw;
    const placed = scene.objects.map((solid) => placeAt(solid, time, this.view));
    this.bodies = scene.objects.map((solid, i) => {
      const body = new Body();
      body.place(solid, placed[i]!, lx * cos - lz * sin, ly, lx * sin + lz * cos, camera.height);
      return body;
    });
    this.boxes = scene.objects.map((solid, i) => this.boxOf(solid, placed[i]!));
    this.shadows = this.bodies.map((body, i) => {
      const { reach } = scene.objects[i]!;
      const lift = placed[i]!.y;
      return {
        x: -body.ox - body.lx * (0.35 * reach + 0.5 * lift),
        z: -body.oz - body.lz * (0.35 * reach + 0.5 * lift),
        radius: reach * (1.35 + 0.35 * lift),
        strength: shadow / (1 + 1.2 * lift),
      };
    });
  }

  /** @param x, y   place on the frame in pixels */
  trace(x: number, y: number): void {
    const { look, pitch, roll, yaw } = this;
    const a = (x - this.width / 2) * this.step;
    const b = -(y - this.height / 2) * this.step;
    const dx = a * roll.cos - b * roll.sin;
    const v = a * roll.sin + b * roll.cos;
    const dy = v * pitch.cos - pitch.sin;
    const dz = pitch.cos + v * pitch.sin;
    // in the world, where the camera has panned
    const wx = dx * yaw.cos + dz * yaw.sin;
    const wz = dz * yaw.cos - dx * yaw.sin;
    this.t = FAR;
    this.id = 0;
    this.part = SKY;
    if (dy < 0) this.meet(look.camera.height / -dy, GROUND);
    if (look.room) this.meetRoom(look.room, wx, dy, wz);
    let hit: Body | null = null;
    for (let i = 0; i < this.bodies.length; i++) {
      const box = this.boxes[i]!;
      if (x < box[0]! || x > box[1]! || y < box[2]! || y > box[3]!) continue;
      const body = this.bodies[i]!;
      if (!castRay(body, dx, dy, dz) || body.t < NEAR || body.t >= this.t) continue;
      hit = body;
      this.t = body.t;
      this.id = i + 1;
      this.part = 8 + i * 8 + body.face;
    }
    const pixel = this.t * this.step;
    const length = Math.sqrt(dx * dx + dy * dy + dz * dz);
    if (hit) this.paintSolid(hit, dx, dy, dz, pixel);
    else if (this.part === SKY) this.paintSky(wx, dy, wz);
    else if (this.part === GROUND) {
      this.paintGround(wx, wz, dx, dz, pixel / Math.sqrt(Math.max(0.05, -dy / length)));
    } else this.paintRoom(look.room!, wx, dy, wz, pixel);
  }

  private meet(t: number, part: number): void {
    if (t >= this.t) return;
    this.t = t;
    this.part = part;
  }

  private meetRoom(room: Room, wx: number, dy: number, wz: number): void {
    const { cos, sin } = this.walls;
    const rx = wx * cos - wz * sin;
    const rz = wx * sin + wz * cos;
    if (rx !== 0)
      this.meet((rx < 0 ? room.left : room.right) / Math.abs(rx), rx < 0 ? WALL : WALL + 1);
    if (rz !== 0)
      this.meet((rz > 0 ? room.back : room.front) / Math.abs(rz), rz > 0 ? WALL + 2 : WALL + 3);
    if (dy > 0) this.meet((room.ceiling - this.look.camera.height) / dy, CEILING);
  }

  private paintSky(wx: number, dy: number, wz: number): void {
    const { backdrop } = this.look;
    const azimuth = Math.atan2(wx, wz);
    const elevation = Math.atan2(dy, Math.sqrt(wx * wx + wz * wz));
    this.paint(backdrop, azimuth, -elevation, this.step, 1);
  }

  private paintGround(wx: number, wz: number, dx: number, dz: number, pixel: number): void {
    const { ground, haze } = this.look;
    const { t } = this;
    let light = 1;
    for (const { x, z, radius, strength } of this.shadows) {
      const a = (dx * t - x) / radius;
      const b = (dz * t - z) / radius;
      const inside = 1 - a * a - b * b;
      if (inside > 0) light *= 1 - strength * inside * inside;
    }
    this.paint(ground, wx * t, -wz * t, pixel, light);
    const share = 1 - Math.exp(-((t / haze.distance) ** 2));
    for (let c = 0; c < 3; c++) this.colour[c]! += (haze.colour[c]! - this.colour[c]!) * share;
  }

  private paintRoom(room: Room, wx: number, dy: number, wz: number, pixel: number): void {
    const { cos, sin } = this.walls;
    const x = (wx * cos - wz * sin) * this.t;
    const y = this.look.camera.height + dy * this.t;
    const z = (wx * sin + wz * cos) * this.t;
    const surface = room.surfaces[this.part - WALL]!;
    if (this.part === CEILING) this.paint(surface, x, z, pixel, 1);
    else this.paint(surface, this.part < WALL + 2 ? z : x, -y, pixel, 1);
  }

  private paintSolid(body: Body, dx: number, dy: number, dz: number, pixel: number): void {
    const { cosTurn: c, sinTurn: s, t, face, shape } = body;
    const x = (body.ox + dx * t) * c - (body.oz + dz * t) * s;
    const y = body.oy + dy * t;
    const z = (body.ox + dx * t) * s + (body.oz + dz * t) * c;
    const surface = this.look.solids[this.id - 1]!;
    const isTop = shape === 'cube' ? face === 2 : shape === 'cylinder' && face === 1;
    if (isTop) this.paint(surface, x, -z, pixel, body.shade);
    else if (shape === 'cube') {
      this.paint(surface, face === 0 || face === 3 ? z : x, -y, pixel, body.shade);
    } else this.paint(surface, Math.atan2(x, -z) * body.radius, -y, pixel, body.shade);
  }

  /** Takes the colour at (u, v) of a surface, in the units of its size; v points down. */
  private paint(surface: Surface, u: number, v: number, pixel: number, light: number): void {
    const { photo, colour, contrast, size, shift } = surface;
    const { cos, sin } = this.axes.get(surface)!;
    const across = u * cos - v * sin + shift[0];
    const down = u * sin + v * cos + shift[1];
    const picture = photo === null ? undefined : this.photos.get(photo);
    if (picture) {
      colourAt(picture, across, down, pixel / size, this.colour);
      for (let c = 0; c < 3; c++) {
        const mean = picture.mean[c]!;
        this.colour[c] = (mean + (this.colour[c]! - mean) * contrast) * colour[c]! * light;
      }
      return;
    }
    const wave = Math.sin(across * TURN) + Math.sin((across * 0.4 + down) * TURN);
    const gain = photo === null ? 1 : 128;
    for (let c = 0; c < 3; c++) this.colour[c] = gain * colour[c]! * light * (1 + 0.05 * wave);
  }

  /** The pixels that a solid may cover: left, right, top and bottom. */
  private boxOf(solid: Solid, placed: Placed): Float64Array {
    const { pitch, roll, step, width, height } = this;
    const box = Float64Array.of(Infinity, -Infinity, Infinity, -Infinity);
    const r = solid.reach;
    for (let corner = 0; corner < 8; corner++) {
      const x = placed.x + (corner & 1 ? r : -r);
      const y = placed.y + (corner & 2 ? solid.height : 0) - this.look.camera.height;
      const z = placed.z + (corner & 4 ? r : -r);
      const depth = z * pitch.cos - y * pitch.sin;
      if (depth < NEAR) return Float64Array.of(0, width, 0, height); // too near to tell
      const u = x / depth;
      const v = (y * pitch.cos + z * pitch.sin) / depth;
      const across = (u * roll.cos + v * roll.sin) / step + width / 2;
      const down = (u * roll.sin - v * roll.cos) / step + height / 2;
      box[0] = Math.min(box[0]!, across);
      box[1] = Math.max(box[1]!, across);
      box[2] = Math.min(box[2]!, down);
      box[3] = Math.max(box[3]!, down);
    }
    return box;
  }
}

const TURN = 2 * Math.PI;

const turned = (angle: number) => ({ cos: Math.cos(angle), sin: Math.sin(angle) });
