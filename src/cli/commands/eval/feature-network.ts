/** Opens the network whose features are compared. */
import { findSnapshot, hubSettings, parseRepo } from '../../../hub/index.js';
import { type EfficientNetFeatures, openEfficientNet } from '../../../models/efficientnet/index.js';
import { resolvePipeline } from '../../../pipeline/find.js';

const REPO = 'timm/tf_efficientnet_lite0.in1k';

/** For the report of an evaluation without the network. */
export const NO_NETWORK = `Without a network there are no feature distances: \`mfm pull ${REPO}\` fetches a small one (19 MB, Apache-2.0), or name its file with --perceptual FILE.`;

/**
 * The named network, or the hub's if it has been downloaded; null if there is none.
 * @throws InputError if the named one cannot be opened
 */
export function featureNetwork(
  named: string | undefined,
  device: string,
): EfficientNetFeatures | null {
  if (named !== undefined) return openEfficientNet(resolvePipeline(named), device);
  const downloaded = findSnapshot(hubSettings().cache, parseRepo(REPO));
  return downloaded === undefined ? null : openEfficientNet(downloaded, device);
}
