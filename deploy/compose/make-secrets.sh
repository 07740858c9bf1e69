#!/bin/sh
# Makes the passwords once; running it again changes nothing.
set -eu
cd "$(dirname "$0")"

if [ -e secrets ]; then
    echo "secrets/ is there already; remove it to make new ones." >&2
    exit 0
fi

password() {
    head -c 32 /dev/urandom | od -An -tx1 | tr -d ' \n'
}

# Containers read the files under other ids, so it is the folder that keeps people out.
umask 022
mkdir -m 0700 secrets.new
postgres=$(password)
valkey=$(password)
printf '%s' "$postgres" > secrets.new/postgres_password
printf 'requirepass %s\n' "$valkey" > secrets.new/valkey.conf
cat > secrets.new/fireside.toml <<EOF
[db]
url = "postgresql+asyncpg://fireside:$postgres@postgres:5432/fireside"

[valkey]
url = "redis://:$valkey@valkey:6379/0"
EOF
mv secrets.new secrets
echo "Made secrets/. Keep a copy where the backups are not."
