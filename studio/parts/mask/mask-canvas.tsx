import type { Signal } from '@preact/signals';
import { useEffect, useRef, useState } from 'preact/hooks';
import { drawMask, type MaskDocument, offsetAt } from '../../logic/mask.js';
import type { Gray, MaskAction, Point, Stroke } from '../../logic/mask-actions.js';
import { drawSegment } from '../../logic/mask-drawing.js';
import { paintOverlay } from './overlay.js';
import type { Tool } from './tool-bar.js';

interface MaskCanvasProps {
  mask: MaskDocument;
  frame: Signal<number>;
  tool: Tool;
  radius: number;
  feather: number;
  onAct: (action: MaskAction) => void;
}

/** What is being done between pressing and letting go. */
type Gesture =
  | { kind: 'stroke'; stroke: Stroke & { points: Point[] }; drawn: Gray; offset: Point }
  | { kind: 'box'; from: Point; to: Point }
  | { kind: 'move'; from: Point; offset: Point; by: Point };

/** The mask over the picture; one paints on it with a pointer, or with the arrow keys and space. */
export function MaskCanvas({ mask, frame, tool, radius, feather, onAct }: MaskCanvasProps) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const gesture = useRef<Gesture | null>(null);
  const [cursor, setCursor] = useState<Point | null>(null);
  const { width, height } = mask;
  const at = frame.value;

  useEffect(() => paintOverlay(canvas.current!, drawMask(mask, at)), [mask, at]);

  /** Where the pointer is, in pixels of the input. */
  function pointOf(event: PointerEvent): Point {
    const box = canvas.current!.getBoundingClientRect();
    return {
      x: ((event.clientX - box.left) / box.width) * width,
      y: ((event.clientY - box.top) / box.height) * height,
    };
  }

  function begin(point: Point): void {
    const offset = offsetAt(mask, at);
    if (tool === 'move')
      gesture.current = { kind: 'move', from: point, offset, by: { x: 0, y: 0 } };
    else if (tool === 'box') gesture.current = { kind: 'box', from: point, to: point };
    else {
      const stroke = {
        kind: 'stroke' as const,
        frame: at,
        points: [point],
        radius,
        feather,
        erase: tool === 'eraser',
      };
      const drawn = drawMask(mask, at);
      drawSegment(drawn, stroke, point, point);
      paintOverlay(canvas.current!, drawn);
      gesture.current = { kind: 'stroke', stroke, drawn, offset };
    }
  }

  function goOn(point: Point): void {
    const now = gesture.current;
    if (!now) return;
    if (now.kind === 'stroke') {
      const last = now.stroke.points.at(-1)!;
      now.stroke.points.push(point);
      drawSegment(now.drawn, now.stroke, last, point);
      paintOverlay(canvas.current!, now.drawn);
    } else if (now.kind === 'box') {
      now.to = point;
      paintOverlay(canvas.current!, drawMask(mask, at), rectangle(now.from, point));
    } else {
      now.by = { x: Math.round(point.x - now.from.x), y: Math.round(point.y - now.from.y) };
      paintOverlay(canvas.current!, drawMask({ ...mask, done: [...mask.done, moveOf(now)] }, at));
    }
  }

  function end(): void {
    const now = gesture.current;
    gesture.current = null;
    if (!now) return;
    if (now.kind === 'move') onAct(moveOf(now));
    else if (now.kind === 'box') finishBox(now.from, now.to);
    else {
      // where the mask is moved, it is painted where it would lie unmoved
      const points = now.stroke.points.map((point) => minus(point, now.offset));
      onAct({ ...now.stroke, points });
    }
  }

  const moveOf = ({ offset, by }: { offset: Point; by: Point }): MaskAction => ({
    kind: 'move',
    frame: at,
    dx: offset.x + by.x,
    dy: offset.y + by.y,
  });

  function finishBox(from: Point, to: Point): void {
    const {
      x,
      y,
      width: w,
      height: h,
    } = rectangle(minus(from, offsetAt(mask, at)), minus(to, offsetAt(mask, at)));
    if (w < 1 || h < 1) return;
    onAct({
      kind: 'box',
      frame: at,
      x,
      y,
      width: w,
      height: h,
      feather: feather * radius,
      erase: false,
    });
  }

  function onKeyDown(event: KeyboardEvent): void {
    const step = event.shiftKey ? 1 : Math.max(1, Math.round(Math.max(width, height) / 32));
    const moves: Record<string, Point> = {
      ArrowLeft: { x: -step, y: 0 },
      ArrowRight: { x: step, y: 0 },
      ArrowUp: { x: 0, y: -step },
      ArrowDown: { x: 0, y: step },
    };
    const move = moves[event.key];
    const now = cursor ?? { x: width / 2, y: height / 2 };
    if (move) {
      event.preventDefault();
      const next = { x: clamp(now.x + move.x, width), y: clamp(now.y + move.y, height) };
      setCursor(next);
      goOn(next);
    } else if (event.key === ' ' || event.key === 'Enter') {
      event.preventDefault();
      setCursor(now);
      if (gesture.current) end();
      else begin(now);
      if (gesture.current?.kind === 'stroke' && event.key === 'Enter') end();
    } else if (event.key === 'Escape') {
      giveUp();
    }
  }

  function giveUp(): void {
    gesture.current = null;
    paintOverlay(canvas.current!, drawMask(mask, at));
  }

  return (
    <>
      {/* biome-ignore lint/a11y/noInteractiveElementToNoninteractiveRole: it takes all keys, as an application does */}
      <canvas
        ref={canvas}
        class={`mask-canvas ${tool}`}
        width={width}
        height={height}
        tabIndex={0}
        role="application"
        aria-label="Mask. Arrow keys move the brush, Enter dabs, space begins and ends a stroke or a box."
        onPointerDown={(event) => {
          if (event.button !== 0) return;
          canvas.current!.setPointerCapture(event.pointerId);
          begin(pointOf(event));
        }}
        onPointerMove={(event) => {
          const point = pointOf(event);
          setCursor(point);
          if (gesture.current) goOn(point);
        }}
        onPointerUp={end}
        onPointerCancel={giveUp}
        onPointerLeave={() => !gesture.current && setCursor(null)}
        onBlur={() => {
          setCursor(null);
          // a stroke that was begun by a key would go on with the next one
          if (gesture.current) giveUp();
        }}
        onKeyDown={onKeyDown}
      />
      {cursor && tool !== 'move' && (
        <span
          class={`brush-cursor ${tool}`}
          style={{
            left: `${(100 * cursor.x) / width}%`,
            top: `${(100 * cursor.y) / height}%`,
            width: tool === 'box' ? '10px' : `${(200 * radius) / width}%`,
          }}
        />
      )}
    </>
  );
}

const minus = (a: Point, b: Point): Point => ({ x: a.x - b.x, y: a.y - b.y });
const clamp = (value: number, most: number): number => Math.min(most, Math.max(0, value));

const rectangle = (from: Point, to: Point) => ({
  x: Math.round(Math.min(from.x, to.x)),
  y: Math.round(Math.min(from.y, to.y)),
  width: Math.round(Math.abs(to.x - from.x)),
  height: Math.round(Math.abs(to.y - from.y)),
});
