#!/usr/bin/env bash
# Builds an ffmpeg and an ffprobe that hold no more than what videos are read with (multimodal/video), under the LGPL, and installs them:
# scripts/ffmpeg.sh FOLDER. The Dockerfile runs it. It needs root on Debian, as it installs what it builds with.
#
# The source is Debian's package, so that building an image again brings its security fixes. Licence, configuration and the name of
# the source lie in FOLDER/share/doc/ffmpeg, the source itself in FOLDER/src.
#
#   JOBS   how many compilers run at a time (all processors).
set -euo pipefail
prefix=$(realpath -m "${1:?a folder}")

# Everything that the four containers commonly hold; files of other kinds are refused by their first bytes.
demuxers=mov,matroska,avi,gif
decoders=av1,ffv1,ffvhuff,flv,gif,h263,h264,hevc,huffyuv,mjpeg,mpeg1video,mpeg2video,mpeg4,msmpeg4v2,msmpeg4v3,png,prores,qtrle,rawvideo,theora
decoders+=,dnxhd,utvideo,v210,vc1,vp6,vp8,vp9,wmv1,wmv2,wmv3,libdav1d
parsers=av1,dnxhd,gif,h263,h264,hevc,mjpeg,mpeg4video,mpegvideo,png,vc1,vp8,vp9
# ffmpeg puts in by itself what turns frames upright and converts them.
filters=select,showinfo,scale,format,null,transpose,hflip,vflip,rotate,trim,setpts

codename=$(. /etc/os-release && echo "$VERSION_CODENAME")
cat >/etc/apt/sources.list.d/sources-of-ffmpeg.list <<LIST
deb-src http://deb.debian.org/debian $codename main
deb-src http://deb.debian.org/debian-security $codename-security main
LIST
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
apt-get install -y -qq --no-install-recommends gcc libc6-dev make nasm pkg-config dpkg-dev libdav1d-dev zlib1g-dev >/dev/null

work=$(mktemp -d)
cd "$work"
apt-get source -qq --download-only ffmpeg
dpkg-source --no-check -x ./*.dsc tree >/dev/null
version=$(sed -n 's/^Version: //p' ./*.dsc | head -n 1)
cd tree
./configure --prefix="$prefix" --disable-everything --disable-autodetect --disable-network --disable-doc --disable-debug \
	--disable-avdevice --disable-postproc --disable-swresample --disable-ffplay --enable-zlib --enable-libdav1d \
	--extra-version="${version##*-}" --enable-protocol=file,pipe --enable-demuxer=$demuxers --enable-decoder=$decoders \
	--enable-parser=$parsers --enable-filter=$filters --enable-encoder=rawvideo --enable-muxer=rawvideo ||
	{ tail -n 30 ffbuild/config.log >&2; exit 1; }
make -s -j "${JOBS:-$(nproc)}"
make -s install-progs
strip "$prefix"/bin/*

doc=$prefix/share/doc/ffmpeg
install -D -m 644 -t "$doc" COPYING.LGPLv2.1 LICENSE.md debian/copyright
"$prefix/bin/ffmpeg" -hide_banner -buildconf >"$doc/configuration"
purl=${version//:/%3A}
purl=${purl//+/%2B}
cat >"$doc/component.json" <<JSON
{"type": "application", "name": "ffmpeg", "version": "$version", "license": "LGPL-2.1-or-later",
 "purl": "pkg:deb/debian/ffmpeg@$purl?arch=source&distro=$codename"}
JSON
install -D -m 644 -t "$prefix/src" ../*.dsc ../*.tar.*
rm -rf "$work" /var/lib/apt/lists/* /etc/apt/sources.list.d/sources-of-ffmpeg.list
