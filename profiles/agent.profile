# For an assistant or agent that reads and changes a project on your behalf: it sees no credentials, and cannot change
# what other programs of yours will run later.
#     cd ~/project && scrim run -p agent -- AGENT
#
# An agent's own key is hidden with all the others; hand it over by name:
#     scrim run -p agent -r 'env set EXAMPLE_API_KEY=${EXAMPLE_API_KEY}' -- AGENT
# To confine writing to the project as well:
#     scrim run -p agent --readonly ~ -r 'free ${CWD}' -r 'free ~/.cache' -- AGENT

include credentials.profile

# What shells, desktops and tools run or read at their next start
readonly ~/.{profile,login,logout,bashrc,bash_profile,bash_login,bash_logout,bash_aliases}
readonly ~/.{zshrc,zshenv,zprofile,zlogin,zlogout,kshrc,cshrc,tcshrc,inputrc,xprofile,xsessionrc,Xresources}
readonly ~/.config/{fish,environment.d,systemd,autostart,git}
readonly ~/.local/share/{applications,systemd}
readonly ~/{.gitconfig,.vimrc,.tmux.conf,.screenrc}
readonly ~/.vim
readonly ~/.config/nvim
readonly ~/.local/bin
readonly ~/bin

# What runs when *you* use git in the project later. (git clone and git init elsewhere are not concerned. Where new
# branches are to track remote ones: -r 'free ${CWD}/.git/config'.)
readonly ${CWD}/.git/hooks
readonly ${CWD}/.git/config

# The view's own set-up
readonly ~/.config/scrim
