# For package managers and build scripts that run code from strangers: npm, pip, cargo, gem, make, ./configure, an
# installer from the net. It sees no credentials; it may install.
#     scrim run -p installer -- npm install
#     scrim run -p installer -- sh ./install.sh
#
# The registry that is set in a hidden file (~/.npmrc, pip.conf) is not known inside. Where that matters show the file
# with its secrets taken out:
#     -r 'show ~/.npmrc' -r 'mask ~/.npmrc redact=_(authToken|auth|password)=.*'

include credentials.profile

# Keys of assistants: what is installed has no business with them
hide ~/.claude
hide ~/.claude.json
hide ~/.codex
hide ~/.gemini
hide ~/.config/{openai,github-copilot}
hide ~/.aider.conf.yml

# An installer may add a line to a start file (its PATH), it cannot change or remove one. For less: readonly.
append ~/.{profile,bashrc,bash_profile,zshrc,zshenv,zprofile}
readonly ~/.{login,logout,bash_login,bash_logout,bash_aliases,zlogin,zlogout,kshrc,cshrc,tcshrc,inputrc}
readonly ~/.config/{environment.d,systemd,autostart,git}
readonly ~/.gitconfig
readonly ${CWD}/.git/hooks

# The view's own set-up
readonly ~/.config/scrim
