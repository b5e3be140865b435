package repo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// maxConfig bounds the bytes of a configuration file.
const maxConfig = 1 << 20

// CheckSetup looks into the .git of an inspected repository and returns as a
// *Deviation the first thing that could make the next git command there run a
// program, reach another place, or show something else than what was committed:
// a hook, a setting that is not known to be harmless, an attribute, a replaced
// object. What clone, fetch, gc and a person's daily work leave there is fine.
// Nothing that lies there has a say in it.
func (r *Repo) CheckSetup(ctx context.Context) error {
	root, err := os.OpenRoot(r.gitDir)
	if err != nil {
		return fmt.Errorf("check setup: %w", err)
	}
	defer func() { _ = root.Close() }() // opened for reading
	err = fs.WalkDir(root.FS(), ".", func(path string, d fs.DirEntry, err error) error {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err != nil {
			return unread(".git/"+path, err)
		}
		if what := setupFlaw(path, d); what != "" {
			return deviation(".git/"+path, what)
		}
		return nil
	})
	if err != nil {
		return err
	}
	for _, name := range []string{"config", "config.worktree"} {
		if err := r.checkConfig(ctx, root, name); err != nil {
			return err
		}
	}
	replaced, err := r.run(ctx, call{args: []string{"for-each-ref", "--count=1", "--format=%(refname)", "--", "refs/replace/"}})
	switch {
	case exitCode(err) > 0:
		return damaged(err, cut(err.Error(), 300))
	case err != nil:
		return fmt.Errorf("check setup: %w", err)
	case len(replaced) > 0:
		return deviation(".git", "holds "+strings.TrimSpace(string(replaced))+", which shows another object in place of a committed one")
	}
	return nil
}

// setupFlaw says what is wrong with a file or folder of .git that git obeys.
// Git knows its files by name, so what has another one is a matter of the tool
// that put it there.
func setupFlaw(path string, d fs.DirEntry) string {
	name := fold(path) // some systems take .git/Hooks for .git/hooks
	top, rest, _ := strings.Cut(name, "/")
	switch {
	case !d.IsDir() && !d.Type().IsRegular() && name != "fsmonitor--daemon.ipc":
		return "is a link or no ordinary file"
	case rest == "" && slices.Contains([]string{"rebase-merge", "rebase-apply", "sequencer"}, name):
		return "holds the steps of a rebase or an import that is under way, and a step may be a program"
	case name == "modules":
		return "holds another repository"
	case d.IsDir():
		return ""
	case top == "hooks" && !strings.HasSuffix(name, ".sample"):
		return "is a hook, a program that git runs"
	case name == "info/attributes":
		return "tells git how to convert and compare files"
	case name == "info/grafts":
		return "makes git show another history"
	case name == "commondir":
		return "makes git look for its settings and hooks in another place"
	case name == "objects/info/alternates", name == "objects/info/http-alternates":
		return "makes git take objects from another place"
	case top == "remotes" || top == "branches":
		return "names a remote repository in a way that git remote does not show"
	case top == "worktrees" && strings.HasSuffix(name, "/config.worktree"):
		return "holds settings of another worktree"
	}
	return ""
}

// checkConfig looks for settings that are not known to be harmless. Git itself
// reads the file, for nobody else knows all its rules, but is told its bytes
// only and follows no include.
func (r *Repo) checkConfig(ctx context.Context, root *os.Root, name string) error {
	f, err := root.OpenFile(name, os.O_RDONLY|openFlags, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	path := ".git/" + name
	if err != nil {
		return unread(path, err)
	}
	defer func() { _ = f.Close() }() // opened for reading
	info, err := f.Stat()
	if err != nil || !info.Mode().IsRegular() || info.Size() > maxConfig {
		return deviation(path, fmt.Sprintf("is no file of at most %d MB", maxConfig>>20))
	}
	args := []string{"config", "--file", "-", "--no-includes", "--list", "-z"}
	listed, err := r.run(ctx, call{args: args, stdin: io.LimitReader(f, maxConfig)})
	if exitCode(err) > 0 {
		return deviation(path, "cannot be read by git")
	}
	if err != nil {
		return fmt.Errorf("check setup: %w", err)
	}
	for setting := range strings.SplitSeq(strings.TrimSuffix(string(listed), "\x00"), "\x00") {
		key, value, _ := strings.Cut(setting, "\n")
		if !r.harmless(key, value) {
			return deviation(path, "sets "+cut(key, 120)+", which is not known to be harmless")
		}
	}
	return nil
}

// harmlessKeys are settings that make git run nothing and look nowhere else,
// whatever their value. A star stands for any name within a section, and what
// stands between section and name, such as a branch, is left out.
var harmlessKeys = words(`
	advice.* author.* branch.* color.* column.* committer.* user.*
	core.abbrev core.autocrlf core.bigfilethreshold core.checkstat core.commentchar core.commitgraph core.compression core.eol core.filemode
	core.filesreflocktimeout core.fscache core.hidedotfiles core.ignorecase core.logallrefupdates core.longpaths core.loosecompression
	core.multipackindex core.packedrefstimeout core.precomposeunicode core.preloadindex core.protecthfs core.protectntfs core.quotepath
	core.repositoryformatversion core.safecrlf core.sharedrepository core.sparsecheckout core.sparsecheckoutcone core.splitindex core.symlinks core.trustctime core.untrackedcache
	core.whitespace
	extensions.noop extensions.preciousobjects extensions.worktreeconfig
	remote.fetch remote.followremotehead remote.gh-resolved remote.mirror remote.prune remote.prunetags remote.push remote.skipdefaultupdate
	remote.skipfetchall remote.tagopt
	checkout.defaultremote checkout.guess clean.requireforce clone.defaultremotename commit.cleanup commit.gpgsign commit.status commit.verbose
	credential.usehttppath credential.username diff.algorithm diff.colormoved diff.context diff.indentheuristic diff.mnemonicprefix
	diff.noprefix diff.relative diff.renamelimit diff.renames diff.statgraphwidth diff.wserrorhighlight
	fetch.fsckobjects fetch.parallel fetch.prune fetch.prunetags fetch.showforcedupdates fetch.writecommitgraph
	gc.aggressivedepth gc.aggressivewindow gc.auto gc.autodetach gc.autopacklimit gc.cruftpacks gc.packrefs gc.pruneexpire gc.reflogexpire
	gc.reflogexpireunreachable gc.rerereresolved gc.rerereunresolved gc.worktreepruneexpire gc.writecommitgraph
	grep.linenumber grep.patterntype gui.geometry gui.wmstate http.extraheader http.lowspeedlimit http.lowspeedtime http.postbuffer http.version
	i18n.commitencoding i18n.logoutputencoding index.sparse index.threads index.version init.defaultbranch
	log.abbrevcommit log.date log.decorate log.follow log.showsignature
	maintenance.auto maintenance.enabled maintenance.schedule maintenance.strategy
	merge.conflictstyle merge.ff merge.log merge.renames merge.stat pack.threads pack.windowmemory protocol.version
	pull.ff pull.rebase push.autosetupremote push.default push.followtags
	rebase.abbreviatecommands rebase.autosquash rebase.autostash rebase.stat rebase.updaterefs receive.denycurrentbranch receive.denynonfastforwards
	rerere.autoupdate rerere.enabled status.branch status.short status.showstash status.showuntrackedfiles submodule.active submodule.recurse
	tag.forcesignannotated tag.gpgsign tag.sort transfer.fsckobjects versionsort.suffix
`)

// harmlessValues are settings that some values make dangerous: those that are not.
var harmlessValues = map[string][]string{
	"core.bare":               {"false"},
	"core.fsmonitor":          {"true", "false"}, // else a program
	"extensions.objectformat": {"sha1"},
	"extensions.refstorage":   {"files"},
	"pager.*":                 {"true", "false"}, // else a program
}

func words(text string) map[string]bool {
	out := map[string]bool{}
	for word := range strings.FieldsSeq(text) {
		out[word] = true
	}
	return out
}

// harmless judges a setting as git config --list gives it: SECTION.NAME or
// SECTION.SUBSECTION.NAME, section and name in lower case.
func (r *Repo) harmless(key, value string) bool {
	if key == "" {
		return value == "" // an empty list
	}
	section, name := key, ""
	if i := strings.IndexByte(key, '.'); i >= 0 {
		section, name = key[:i], key[strings.LastIndexByte(key, '.')+1:]
	}
	for _, k := range []string{section + "." + name, section + ".*"} {
		if values, ok := harmlessValues[k]; ok {
			return slices.Contains(values, value)
		}
	}
	switch section + "." + name {
	case "remote.url", "remote.pushurl":
		return r.harmlessURL(value)
	case "branch.remote", "branch.pushremote", "remote.pushdefault":
		return !strings.ContainsAny(value, `/\:`) || r.harmlessURL(value) // the name of a remote
	}
	return harmlessKeys[section+"."+name] || harmlessKeys[section+".*"]
}

var (
	helperURL = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9+.-]*::`)
	schemeURL = regexp.MustCompile(`^([A-Za-z0-9][A-Za-z0-9+.-]*)://`)
	hostURL   = regexp.MustCompile(`^[^/]+:`) // [user@]host:path
)

// harmlessURL refuses the address of a remote repository that git reaches by a
// helper program of the address's choice, or that lies in the folder itself,
// where its hooks would be run by a push.
func (r *Repo) harmlessURL(url string) bool {
	if url == "" || url[0] == '-' || helperURL.MatchString(url) {
		return false
	}
	path := url
	if scheme := schemeURL.FindStringSubmatch(url); scheme != nil {
		if scheme[1] != "file" {
			return slices.Contains([]string{"https", "http", "ssh", "git", "git+ssh", "ssh+git", "ftp", "ftps"}, scheme[1])
		}
		path = strings.TrimPrefix(url, "file://")
	} else if hostURL.MatchString(url) {
		return true
	}
	dir, err := filepath.Abs(r.dir)
	if err != nil {
		return false
	}
	if !filepath.IsAbs(path) {
		path = filepath.Join(dir, path)
	}
	rel, err := filepath.Rel(dir, path)
	return err != nil || rel == ".." || strings.HasPrefix(rel, "../")
}
