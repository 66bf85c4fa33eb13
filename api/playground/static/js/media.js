// Turns files, pasted pictures and drawings into media of a message. What is brought in stays in this browser until it
// is sent.

import { t } from "./i18n.js";

const read = (blob) =>
  new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(reader.result);
    reader.onerror = () => reject(reader.error);
    reader.readAsDataURL(blob);
  });

// measure is the size of a picture as a person sees it, turned as its metadata says.
function measure(url) {
  return new Promise((resolve) => {
    const image = new Image();
    image.onload = () => resolve({ width: image.naturalWidth, height: image.naturalHeight });
    image.onerror = () => resolve({ width: 0, height: 0 });
    image.src = url;
  });
}

// fromURL makes a picture of a data URI.
export async function fromURL(url, name) {
  return { kind: url.startsWith("data:video") ? "video" : "image", url, name, ...(url.startsWith("data:video") ? {} : await measure(url)) };
}

// fromFiles makes media of files. Several pictures whose names are numbered are offered as frames by the caller.
export async function fromFiles(files) {
  const out = [];
  for (const file of files) {
    if (file.type.startsWith("image/") || file.type.startsWith("video/")) {
      const url = await read(file);
      const medium = await fromURL(url, file.name || t("media.pasted"));
      medium.kind = file.type.startsWith("video/") ? "video" : "image";
      out.push(medium);
    } else {
      throw new Error(t("media.unknown", { name: file.name, type: file.type || "?" }));
    }
  }
  return out;
}

// asFrames makes one video of pictures, in the order of their names.
export function asFrames(images, fps) {
  const sorted = [...images].sort((a, b) => a.name.localeCompare(b.name, undefined, { numeric: true }));
  return {
    kind: "frames", name: t("media.frames", { n: sorted.length }), fps, frames: sorted.map((m) => m.url), url: sorted[0].url,
    width: sorted[0].width, height: sorted[0].height,
  };
}

// blobURL is where a video element may play a data URI from.
const blobs = new Map();
export function blobURL(dataURL) {
  if (!dataURL.startsWith("data:")) return dataURL;
  if (!blobs.has(dataURL)) {
    const [head, data] = dataURL.split(",", 2);
    const bytes = Uint8Array.from(atob(data), (c) => c.charCodeAt(0));
    blobs.set(dataURL, URL.createObjectURL(new Blob([bytes], { type: head.slice(5).split(";")[0] })));
  }
  return blobs.get(dataURL);
}
