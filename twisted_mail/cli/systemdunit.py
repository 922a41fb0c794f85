"""The systemd unit that `mailserver init` writes: a user of its own, and as few rights as the server can do with.

What it may not do is checked by `systemd-analyze security`.  Not MemoryDenyWriteExecute: the TLS library's callbacks
are made at run time.
"""

from __future__ import annotations

import os

NAME = "twisted-mail.service"
USER = "twisted-mail"

_UNIT = """\
# {name}: made by `mailserver init`.
[Unit]
Description=Twisted Mail (SMTP, POP3)
Wants=network-online.target
After=network-online.target

[Service]
Type=exec
ExecStart={twist} --log-format=json mailserver --config {config}
# takes a changed mailserver.toml and new certificates, without dropping a connection
ExecReload=/bin/kill -HUP $MAINPID
Restart=on-failure
RestartSec=2
# what is under way at a stop has ten seconds
TimeoutStopSec=30
User={user}
Group={user}
UMask=0077
LimitNOFILE=65536

# ports below 1024, and no other right of root
AmbientCapabilities=CAP_NET_BIND_SERVICE
CapabilityBoundingSet=CAP_NET_BIND_SERVICE
NoNewPrivileges=yes

# all that it may write to
ReadWritePaths={data}
RuntimeDirectory=twisted-mail
ProtectSystem=strict
ProtectHome={protect_home}
PrivateTmp=yes
PrivateDevices=yes
ProtectClock=yes
ProtectControlGroups=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
ProtectProc=invisible
RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
LockPersonality=yes
RemoveIPC=yes
SystemCallArchitectures=native
SystemCallFilter=@system-service
# not ~@resources: it raises its own limit of open files
SystemCallFilter=~@privileged
SystemCallErrorNumber=EPERM

# Socket activation: systemd opens the ports, clients that connect during a restart wait, and the capability above is
# not needed.  A file for each port, here /etc/systemd/system/twisted-mail-smtp.socket:
#   [Socket]
#   ListenStream=0.0.0.0:25
#   FileDescriptorName=smtp
#   Service={name}
#   [Install]
#   WantedBy=sockets.target
# and in mailserver.toml, with workers = 1, which is the default:
#   smtp = ["systemd:domain=INET:name=smtp"]
# `mailserver try` and `check` cannot see the ports of such services.

[Install]
WantedBy=multi-user.target
"""


def unit_text(bin_folder: str, config: str, data: str) -> str:
    """*bin_folder*: where `twist` lies."""
    lies_at_home = any(path.startswith(("/home/", "/root/")) for path in (bin_folder, config, data))
    return _UNIT.format(
        name=NAME,
        user=USER,
        twist=os.path.join(bin_folder, "twist"),
        config=config,
        data=data,
        protect_home="read-only" if lies_at_home else "yes",
    )
