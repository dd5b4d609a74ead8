#!/bin/sh
# Installs the packed owl3 and one platform's package into an empty project and asks the first question.
#
#   tools/packages/first-question.sh FOLDER TARGET
set -eu
folder=$1 target=$2
project=$(mktemp -d)
cd "$project"
echo '{ "name": "user", "version": "1.0.0" }' >package.json
npm install --no-audit --no-fund "$folder"/owl3-[0-9]*.tgz "$folder"/owl3-"$target"-[0-9]*.tgz
said=$(node node_modules/owl3/bin/owl3.js chat node_modules/owl3/examples/shapes.png -q "What is in this picture?")
echo "$said"
[ "$said" = "A large red circle at the top left, a small blue star in the center and a large green ring at the bottom right." ]
