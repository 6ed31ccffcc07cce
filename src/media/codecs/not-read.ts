/** Common kinds of files that mfm cannot read, each with what to do about it. */

export interface UnreadKind {
  /** its name for people: `HEIC (what iPhones save)` */
  name: string;
  /** what to do, such as `convert it to JPEG or PNG` */
  remedy: string;
}

const kind = (name: string, remedy: string): UnreadKind => ({ name, remedy });

const CONVERT = 'convert it to PNG';
const EXPORT = 'export it as PNG';
const FLOATS = 'convert it to 8 or 16 bits, as PNG or TIFF';
const UNPACK = 'unpack it';

export const NOT_READ = {
  raw: kind("a camera's raw file", 'develop it and export it as TIFF, PNG or JPEG'),
  rawFilm: kind("a camera's raw film", 'develop it and export it as MP4'),
  heic: kind('HEIC (what iPhones save)', 'convert it to JPEG or PNG'),
  jpegXl: kind('JPEG XL', CONVERT),
  jpeg2000: kind('JPEG 2000', CONVERT),
  jpegLs: kind('JPEG-LS', CONVERT),
  jpegXr: kind('JPEG XR', CONVERT),
  bpg: kind('BPG', CONVERT),
  flif: kind('FLIF', CONVERT),
  dds: kind('DDS', CONVERT),
  svg: kind('SVG (a drawing)', EXPORT),
  pdf: kind('PDF', EXPORT),
  postScript: kind('PostScript', EXPORT),
  djvu: kind('DjVu (a document)', EXPORT),
  icon: kind('ICO', EXPORT),
  photoshop: kind('PSD (Photoshop)', EXPORT),
  gimp: kind('XCF (GIMP)', EXPORT),
  painting: kind("a painting program's own file", EXPORT),
  openExr: kind('OpenEXR (16- or 32-bit floats)', FLOATS),
  radiance: kind('Radiance HDR (floats)', FLOATS),
  pfm: kind('PFM (32-bit floats)', FLOATS),
  dpx: kind('DPX', FLOATS),
  fits: kind('FITS', FLOATS),
  dicom: kind('DICOM', EXPORT),
  numpy: kind('a NumPy array', 'save it as PNG'),
  mng: kind('MNG', 'convert it to GIF, WebP or MP4'),
  flash: kind('Flash', 'convert it to MP4'),
  archive: kind('an archive', UNPACK),
  zip: kind('a ZIP archive', UNPACK),
  gzip: kind('a gzip archive', UNPACK),
  sevenZip: kind('a 7z archive', UNPACK),
  rar: kind('a RAR archive', UNPACK),
} as const satisfies Record<string, UnreadKind>;

/** A phrase to put after the file's name: `is PDF, which is not read; export it as PNG`. */
export const refusal = ({ name, remedy }: UnreadKind): string =>
  `is ${name}, which is not read; ${remedy}`;
