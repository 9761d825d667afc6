# Keys, tokens and credentials of the common tools, for the profiles "agent" and "installer" (and for yours:
# include this file, or scrim run -p credentials). Everything here is *hidden*: it is not there, and the name cannot
# be made. What does not exist costs nothing.
#
# To let something through, show it again behind the profile:
#     scrim run -p agent -r 'show ~/.aws' -- COMMAND

# Remote access and signatures
hide ~/.ssh
hide ~/.gnupg
hide **/{id_rsa,id_dsa,id_ecdsa,id_ecdsa_sk,id_ed25519,id_ed25519_sk}
hide ~/.config/age
hide ~/.config/sops
hide ~/.config/scrim/keys
hide ~/.putty
hide ~/.local/share/remmina
hide ~/.config/remmina
hide ~/.vnc

# Passwords for hosts and databases
hide ~/.netrc
hide ~/.authinfo
hide ~/.authinfo.gpg
hide ~/.pgpass
hide ~/.my.cnf
hide ~/.mylogin.cnf
hide ~/.smbcredentials
hide ~/.msmtprc
hide ~/.fetchmailrc
hide ~/.mbsyncrc

# Version control
hide ~/.git-credentials
hide ~/.config/git/credentials
hide ~/.config/gh/hosts.yml
hide ~/.config/glab-cli
hide ~/.config/hub
hide ~/.hgrc
hide ~/.subversion/auth

# Package registries: publishing rights live here
hide ~/.npmrc
hide ~/.yarnrc.yml
hide ~/.pypirc
hide ~/.config/pip/pip.conf
hide ~/.config/pypoetry/auth.toml
hide ~/.cargo/credentials
hide ~/.cargo/credentials.toml
hide ~/.gem/credentials
hide ~/.local/share/gem/credentials
hide ~/.bundle/config
hide ~/.config/composer/auth.json
hide ~/.composer/auth.json
hide ~/.m2/settings.xml
hide ~/.m2/settings-security.xml
hide ~/.gradle/gradle.properties
hide ~/.nuget/NuGet/NuGet.Config
hide ~/.config/NuGet/NuGet.Config
hide ~/.hex/hex.config
hide ~/.cpanreporter
hide ~/.pause

# Clouds, clusters, containers
hide ~/.aws
hide ~/.azure
hide ~/.config/gcloud
hide ~/.boto
hide ~/.s3cfg
hide ~/.config/rclone
hide ~/.config/doctl
hide ~/.config/hcloud
hide ~/.config/linode-cli
hide ~/.config/.wrangler
hide ~/.oci
hide ~/.bluemix
hide ~/.fly
hide ~/.config/heroku
hide ~/.kube
hide ~/.docker
hide ~/.config/containers/auth.json
hide ~/.config/helm
hide ~/.terraform.d/credentials.tfrc.json
hide ~/.terraformrc
hide ~/.pulumi/credentials.json
hide ~/.ansible/galaxy_token
hide ~/.vault-token
hide ~/.config/op
hide ~/.cache/huggingface/token
hide ~/.huggingface/token
hide ~/.kaggle
hide ~/.wandb

# Password stores, browsers, mail, messengers, wallets
hide ~/.password-store
hide ~/.local/share/keyrings
hide ~/.local/share/kwalletd
hide ~/.config/keepassxc
hide ~/**/*.kdbx
hide ~/.config/Bitwarden
hide "~/.config/Bitwarden CLI"
hide ~/.config/1Password
hide ~/.mozilla
hide ~/.librewolf
hide ~/.config/{google-chrome,google-chrome-beta,chromium,BraveSoftware,microsoft-edge,vivaldi,opera}
hide ~/snap/{firefox,chromium,brave}
hide ~/.var/app
hide ~/.thunderbird
hide ~/.config/{Signal,Slack,discord,Element,TelegramDesktop}
hide ~/.local/share/TelegramDesktop
hide ~/.bitcoin
hide ~/.electrum
hide ~/.ethereum

# What was typed: passwords end up there, too
hide ~/.{bash,zsh,psql,mysql,sqlite,rediscli,python,node_repl,irb}_history
hide ~/.local/share/fish/fish_history
hide ~/.viminfo
hide ~/.lesshst

# Secrets in working trees. (A Python environment named .env is hidden as well: name it .venv.)
hide **/.env
hide **/.env.*
show **/.env.{example,sample,template,dist,defaults}
hide **/.git-credentials
hide **/.vault_pass

# Secrets of the machine, for whom they can be read
hide /etc/ssl/private
hide /etc/ssh/ssh_host_{rsa,dsa,ecdsa,ed25519}_key

# Agents and daemons that would use a key, or read a file, on request
hide /tmp/ssh-*
hide /run/user/*/ssh-agent*
hide /run/user/*/openssh_agent
hide /run/user/*/gcr
hide /run/user/*/keyring
hide /run/user/*/gnupg
hide /run/pcscd
hide /run/docker.sock
hide /run/containerd
hide /run/podman
hide /run/user/*/{docker.sock,docker,podman,containerd}
hide /run/{libvirt,lxd,incus,snapd.socket,crio}
hide /var/snap/lxd
# ... and those that would start a program outside of the view
hide /run/user/*/{bus,systemd,dbus-1}
hide /run/systemd/private
hide /tmp/tmux-*
hide /run/screen
hide /run/user/*/emacs
hide /run/user/*/vscode-*.sock

# The same in the environment
env hide SSH_AUTH_SOCK
env hide SSH_AGENT_PID
env hide GPG_AGENT_INFO
env hide GNOME_KEYRING_CONTROL
env hide DBUS_SESSION_BUS_ADDRESS
env hide DOCKER_*
env hide KUBECONFIG
env hide TMUX
env hide STY
env hide VSCODE_*
env hide AWS_*
env hide AZURE_*
env hide GOOGLE_APPLICATION_CREDENTIALS
env hide CLOUDSDK_*
env hide VAULT_*
env hide OP_SESSION_*
env hide BW_SESSION
env hide PGPASSWORD
env hide MYSQL_PWD
env hide *_TOKEN
env hide *_API_KEY
env hide *_APIKEY
env hide *_ACCESS_KEY
env hide *_SECRET
env hide *_SECRET_KEY
env hide *_SECRET_ACCESS_KEY
env hide *_PRIVATE_KEY
env hide *_PASSWORD
env hide *_PASSWD
env hide *_PASSPHRASE
env hide *_CREDENTIALS
env hide DATABASE_URL
