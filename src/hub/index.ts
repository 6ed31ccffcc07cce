/**
 * Row 2: downloads model repositories from a hub (huggingface.co or a mirror) into the cache of the
 * Python package huggingface_hub, so that each finds the other's downloads.
 *
 * This is our own code on top of `fetch`. The npm package `@huggingface/hub` was tried first
 * (2.17.5: MIT, Node.js 18, a release every few weeks, installs 12 MB with its three packages for
 * uploads). Its `snapshotDownload` writes the same cache, but it
 *
 *  - restarts an interrupted file from byte 0 and never retries: an interruption at 9 of 10 GB costs 9 GB;
 *  - checks neither checksum nor size before it renames a file to its final name;
 *  - downloads one file after the other, without a choice of files, progress, lock or offline mode;
 *  - writes the ref first and links file by file, so that an interrupted download looks complete;
 *  - takes the endpoint and the token only as arguments, and writes to stdout, which is for results.
 *
 * All of this would have to be written around it; only the listing, forty lines, could be used.
 *
 * Deliberate differences from huggingface_hub: links and ref appear only when every file is complete; a
 * partial file keeps the name BLOB.incomplete, so that it can be resumed; `trees/COMMIT.json` is not
 * written, because with it Python considers a snapshot incomplete that lacks the files skipped here.
 */
export { findSnapshot } from './cache.js';
export { type PullPlan, type PullRequest, type PullResult, pull } from './pull.js';
export { looksLikeRepo, parseRepo, type RepoRevision } from './repo.js';
export { type HubSettings, hubSettings } from './settings.js';
