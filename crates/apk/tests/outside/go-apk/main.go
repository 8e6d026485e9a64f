// Reads a repository as apko's apk library does: resolves, checks, installs, and lists what it installed.
//
//	go-apk DIR     DIR holds repository/, demo.rsa.pub (see examples/repository.rs)
//
// That library knows signatures over SHA-1 only, so the signatures are checked here, by Go's own crypto.
package main

import (
	"archive/tar"
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"io/fs"
	"log"
	"os"
	"path/filepath"
	"sort"
	"strings"

	"github.com/chainguard-dev/go-apk/pkg/apk"
	apkfs "github.com/chainguard-dev/go-apk/pkg/fs"
)

func must[T any](value T, err error) T {
	check(err)
	return value
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

// member unpacks the gzip member at the front and returns what is left.
func member(data []byte) (content, rest []byte) {
	reader := bufio.NewReader(bytes.NewReader(data))
	unzip := must(gzip.NewReader(reader))
	unzip.Multistream(false)
	content = must(io.ReadAll(unzip))
	return content, must(io.ReadAll(reader))
}

// verify checks the signature at the front of a package or index and returns the name of its key.
func verify(path string, key *rsa.PublicKey) {
	data := must(os.ReadFile(path))
	first, signed := member(data)
	if strings.HasSuffix(path, ".apk") {
		_, rest := member(signed)
		signed = signed[:len(signed)-len(rest)]
	}
	archive := tar.NewReader(bytes.NewReader(first))
	header := must(archive.Next())
	if header.Name != ".SIGN.RSA256.demo.rsa.pub" {
		log.Fatalf("%s: signed as %s", path, header.Name)
	}
	digest := sha256.Sum256(signed)
	check(rsa.VerifyPKCS1v15(key, crypto.SHA256, digest[:], must(io.ReadAll(archive))))
}

func main() {
	dir := must(filepath.Abs(os.Args[1]))
	block, _ := pem.Decode(must(os.ReadFile(filepath.Join(dir, "demo.rsa.pub"))))
	key := must(x509.ParsePKIXPublicKey(block.Bytes)).(*rsa.PublicKey)
	repository := filepath.Join(dir, "repository")
	signed := append(must(filepath.Glob(repository+"/x86_64/*.apk")), repository+"/x86_64/APKINDEX.tar.gz")
	for _, path := range signed {
		verify(path, key)
	}
	fmt.Fprintf(os.Stderr, "%d signatures verified\n", len(signed))

	ctx := context.Background()
	root := apkfs.NewMemFS()
	client := must(apk.New(apk.WithFS(root), apk.WithArch("x86_64"), apk.WithIgnoreMknodErrors(true), apk.WithNoSignatureIndexes(repository+"/x86_64/APKINDEX.tar.gz", repository)))
	check(client.InitDB(ctx))
	check(client.SetRepositories(ctx, []string{repository}))
	check(client.SetWorld(ctx, []string{"demo-app"}))
	check(client.FixateWorld(ctx, nil))

	for _, installed := range must(client.GetInstalled()) {
		fmt.Fprintf(os.Stderr, "installed %s-%s\n", installed.Name, installed.Version)
	}
	scripts := tar.NewReader(bytes.NewReader(must(root.ReadFile("lib/apk/db/scripts.tar"))))
	for header, err := scripts.Next(); err == nil; header, err = scripts.Next() {
		fmt.Fprintf(os.Stderr, "script %s\n", header.Name)
	}
	fmt.Fprintf(os.Stderr, "triggers %s", must(root.ReadFile("lib/apk/db/triggers")))

	list(root)
}

// list prints what the packages own, in the form of examples/repository.rs.
func list(root apkfs.FullFS) {
	var lines []string
	check(fs.WalkDir(root, ".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		for _, own := range []string{".", "etc", "lib", "dev", "proc", "var/cache", "var/tmp/", "tmp", "sbin", "run"} {
			if path == own || strings.HasPrefix(path, own+"/") {
				return nil
			}
		}
		info := must(entry.Info())
		mode := uint32(info.Mode().Perm())
		for bit, octal := range map[fs.FileMode]uint32{fs.ModeSetuid: 0o4000, fs.ModeSetgid: 0o2000, fs.ModeSticky: 0o1000} {
			if info.Mode()&bit != 0 {
				mode |= octal
			}
		}
		line := fmt.Sprintf("%s %o ", path, mode)
		switch {
		case info.Mode()&fs.ModeSymlink != 0:
			line += "link " + must(root.Readlink(path))
		case info.IsDir():
			line += "directory"
		default:
			line += fmt.Sprintf("file %x", sha256.Sum256(must(root.ReadFile(path))))
		}
		lines = append(lines, line)
		return nil
	}))
	sort.Strings(lines)
	fmt.Println(strings.Join(lines, "\n"))
}
