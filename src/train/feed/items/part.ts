/** Parts of pictures and clips. */

/** A part of a picture with the picture's own shape. */
export interface Part {
  /** its sides, as a share of the picture's */
  scale: number;
  /** its place: of the room that it leaves at the left and above, 0..1 */
  left: number;
  top: number;
  /** left and right are exchanged */
  mirrored: boolean;
}
