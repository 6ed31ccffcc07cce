/**
 * Row 2: model repositories of a hub (huggingface.co or a mirror), downloaded into the cache that
 * the Python package huggingface_hub keeps, so that each finds what the other fetched.
 *
 * Own code over `fetch` instead of the npm package `@huggingface/hub`, which was tried first
 * (2.17.5: MIT, Node.js 18, a release every few weeks, installs 12 MB with its three packages for
 * uploads). Its `snapshotDownload` writes the same cache, but
 *
 *  - starts a broken file from byte 0 and tries nothing twice: a cut at 9 of 10 GB costs 9 GB;
 *  - checks neither checksum nor size before it renames a file to its final name;
 *  - takes one file after the other, without a choice of files, progress, lock or offline mode;
 *  - writes the ref first and links file by file, so that a broken download looks like a whole one;
 *  - takes an endpoint and a token only from its caller, and writes to stdout, which is for results.
 *
 * Around it all of this would have to be written again; the listing that remained is forty lines.
 *
 * What differs from huggingface_hub, on purpose: links and ref appear when every file is there; a
 * part keeps its name BLOB.incomplete, so that it can be resumed; `trees/COMMIT.json` is not
 * written, since with it Python calls a snapshot without the files left out here incomplete.
 */
export { findSnapshot } from './cache.js';
export { type PullPlan, type PullRequest, type PullResult, pull } from './pull.js';
export { looksLikeRepo, parseRepo, type RepoRevision } from './repo.js';
export { type HubSettings, hubSettings } from './settings.js';
