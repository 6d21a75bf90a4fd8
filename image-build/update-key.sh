#!/bin/sh
# A key that signs updates, and its certificate, which goes into every image as RAUC's keyring.
# Made once; files that are there already stay. Whoever has the key decides what boxes run: a
# fleet's own belongs on a machine without a network, or on a token (rauc(1) takes PKCS 11).
#   update-key.sh DIRECTORY [NAME]      makes DIRECTORY/cert.pem and DIRECTORY/key.pem
set -eu
directory=${1:?a directory}
name=${2:-Edge box updates (lab)}
[ ! -e "$directory/key.pem" ] || exit 0
umask 077
mkdir -p "$directory"
# Long: a box that stood in a garage for years must still take an update.
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -sha256 -days 7300 \
    -keyout "$directory/key.pem.new" -out "$directory/cert.pem" -subj "/CN=$name" \
    -addext basicConstraints=critical,CA:FALSE -addext keyUsage=critical,digitalSignature \
    -addext extendedKeyUsage=emailProtection 2>/dev/null
chmod 644 "$directory/cert.pem"
mv "$directory/key.pem.new" "$directory/key.pem"
