/**
 * Depth Anything V2: predicts the depth map of a picture.
 * Source: Yang et al. 2024, arXiv 2406.09414; transformers `DepthAnythingForDepthEstimation`
 */
import { Module } from '../../nn/index.js';
import type { Tensor } from '../../tensor/index.js';
import type { DepthAnythingConfig } from './config.js';
import { type DepthObserver, Dinov2Backbone } from './dinov2.js';
import { DepthHead, DepthNeck } from './dpt.js';

export class DepthAnything extends Module {
  readonly backbone: Dinov2Backbone;
  private readonly neck: DepthNeck;
  private readonly head: DepthHead;

  constructor(readonly config: DepthAnythingConfig) {
    super();
    this.backbone = this.child('backbone', new Dinov2Backbone(config.backbone_config));
    this.neck = this.child('neck', new DepthNeck(config));
    this.head = this.child('head', new DepthHead(config));
  }

  /**
   * @param pixelValues  [B, 3, H, W], normalised; pixels beyond the last whole patch are dropped
   * @returns            [B, H', W'] float32, sides rounded down to multiples of the patch; relative
   *                     depth is 0 or more, larger is nearer; metric depth is a distance
   * @throws ShapeError  for another shape, or sides smaller than a patch
   */
  forward(pixelValues: Tensor, observe?: DepthObserver): Tensor {
    const grid = this.backbone.embeddings.gridOf(pixelValues);
    const joined = this.neck.forward(this.backbone.forward(pixelValues, observe), grid, observe);
    return this.head.forward(joined, grid, observe);
  }
}
