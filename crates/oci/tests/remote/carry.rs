//! What is pushed is what is pulled, with everything that refers to it.

use base::{Digest, Store};
use oci::remote::{Client, Fetched, Keep, Local, Origin as _, Plan, Pointer, Referrers, Remote, Tree, transfer};
use oci::{Blobs as _, Descriptor, Index, Manifest, media};
use serde_json::json;

use crate::common::{Memory, two_layers};
use crate::registry::{ALL, Abilities, start};
use crate::{at, client};

const BUNDLE: &str = "application/vnd.dev.sigstore.bundle.v0.3+json";

/// A manifest that refers to `subject`.
fn referrer(blobs: &mut Memory, subject: &Descriptor, text: &str) -> Descriptor {
    let config = blobs.put("application/vnd.oci.empty.v1+json", b"{}");
    let layer = blobs.put(BUNDLE, text.as_bytes());
    let mut manifest = Manifest::new(config, vec![layer], [].into());
    manifest.artifact_type = Some(BUNDLE.into());
    manifest.subject = Some(Descriptor::new(&subject.media_type, subject.digest, subject.size));
    blobs.put(media::MANIFEST, &manifest.to_bytes())
}

/// An image in memory, a signature of its index, one of the signature, and what cosign keeps under a tag.
fn signed() -> (Memory, Index, Descriptor) {
    let (mut blobs, image) = two_layers();
    let signature = referrer(&mut blobs, &image, "signature");
    let counter = referrer(&mut blobs, &signature, "counter-signature");
    let config = blobs.put(media::CONFIG, b"{}");
    let layer = blobs.put("application/vnd.dev.cosign.simplesigning.v1+json", b"{\"critical\":{}}");
    let old = blobs.put(media::MANIFEST, &Manifest::new(config, vec![layer], [].into()).to_bytes());
    let named = |descriptor: &Descriptor, tag: String| {
        let mut descriptor = descriptor.clone();
        descriptor.annotations.insert(media::REF_NAME.into(), tag);
        descriptor
    };
    let old = named(&old, format!("sha256-{}.sig", image.digest.hex()));
    let index = Index { manifests: vec![named(&image, "1".into()), signature, counter, old], ..Index::new(vec![], [].into()) };
    (blobs, index, image)
}

fn push(blobs: &Memory, index: &Index, to: &Remote<'_>, referrers: Referrers) -> oci::remote::Carried {
    let local = Local::new(blobs, index).unwrap();
    let root = local.tagged("1").unwrap().unwrap();
    let plan = Plan::new(&local, root, referrers).unwrap();
    transfer(&plan, &local, to, Some("1"), &()).unwrap()
}

fn image(from: &Remote<'_>, tag: &str) -> Fetched {
    from.manifest(&Pointer::Tag(tag.into())).unwrap()
}

#[test]
fn what_is_pushed_is_what_is_pulled() {
    let (server, held) = start(ALL);
    let client = client();
    let remote = client.open(&at(&server.host, "team/app")).unwrap();
    let (blobs, index, image_descriptor) = signed();
    let first = push(&blobs, &index, &remote, Referrers::Without);
    assert_eq!((first.sent, first.there, first.manifests), (3, 0, 2));
    let second = push(&blobs, &index, &remote, Referrers::Without);
    assert_eq!((second.sent, second.there), (0, 3), "what is there is not sent again");

    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    let root = image(&remote, "1");
    assert_eq!(root.descriptor.digest, image_descriptor.digest);
    let plan = Plan::new(&remote, root, Referrers::With).unwrap();
    let keep = Keep { store: &store, parallel: 2 };
    assert_eq!(transfer(&plan, &remote, &keep, None, &()).unwrap().sent, 3);
    for part in oci::closure(&store, &image_descriptor).unwrap() {
        assert_eq!(Digest::of(store.read_blob(&part.digest).unwrap()), part.digest);
        assert_eq!(store.read_blob(&part.digest).unwrap(), blobs.read(&part.digest).unwrap());
    }
    assert_eq!(transfer(&plan, &remote, &keep, None, &()).unwrap().there, 3);
    assert_eq!(held.lock().unwrap().blobs.len(), 3);
}

#[test]
fn copies_what_refers_to_an_image_in_both_forms_also_where_there_is_no_referrers_api() {
    for (from_api, to_api) in [(true, true), (true, false), (false, true), (false, false)] {
        let (from_server, _) = start(Abilities { referrers: from_api, ..ALL });
        let (to_server, to_held) = start(Abilities { referrers: to_api, ..ALL });
        let client = client();
        let from = client.open(&at(&from_server.host, "a/b")).unwrap();
        let to = client.open(&at(&to_server.host, "c")).unwrap();
        let (blobs, index, image_descriptor) = signed();
        push(&blobs, &index, &from, Referrers::With);
        let plan = Plan::new(&from, image(&from, "1"), Referrers::With).unwrap();
        let kinds: Vec<_> = plan.referrers.iter().map(|one| one.artifact_type.clone().unwrap()).collect();
        assert_eq!(kinds, [BUNDLE, BUNDLE, "cosign .sig"], "from with an API: {from_api}");
        transfer(&plan, &from, &to, Some("2"), &()).unwrap();
        let before = tree(&client, &from_server.host, "a/b", "1");
        let after = tree(&client, &to_server.host, "c", "2");
        assert_eq!(before, after);
        assert_eq!(after.referrers.len(), 2);
        assert_eq!(after.referrers[0].referrers.len(), 1, "a signature of the signature");
        let list = to_held.lock().unwrap().manifests.contains_key(&("c".into(), oci::remote::fallback_tag(&image_descriptor.digest)));
        assert_eq!(list, !to_api, "the list under a tag is kept where there is no API, and only there");
        transfer(&plan, &from, &to, Some("2"), &()).unwrap();
        assert_eq!(tree(&client, &to_server.host, "c", "2"), after, "once more changes nothing");
    }
}

fn tree(client: &Client, host: &str, path: &str, tag: &str) -> Tree {
    let remote = client.open(&at(host, path)).unwrap();
    Tree::of(&remote, image(&remote, tag)).unwrap()
}

#[test]
fn a_blob_of_the_same_registry_is_mounted() {
    for mount in [true, false] {
        let (server, held) = start(oci_abilities(mount));
        let client = client();
        let from = client.open(&at(&server.host, "from")).unwrap();
        let to = client.open(&at(&server.host, "to")).unwrap();
        let (blobs, index, _) = signed();
        push(&blobs, &index, &from, Referrers::Without);
        let plan = Plan::new(&from, image(&from, "1"), Referrers::Without).unwrap();
        let carried = transfer(&plan, &from, &to, Some("1"), &()).unwrap();
        assert_eq!((carried.mounted, carried.sent), if mount { (3, 0) } else { (0, 3) });
        assert_eq!(held.lock().unwrap().blobs.keys().filter(|(repository, _)| repository == "to").count(), 3);
    }
}

fn oci_abilities(mount: bool) -> Abilities {
    Abilities { mount, ..ALL }
}

#[test]
fn tags_come_page_by_page() {
    let (server, held) = start(Abilities { page: 2, ..ALL });
    let tags = ["a", "b", "c", "d", "e"];
    for tag in tags {
        held.lock().unwrap().manifests.insert(("app".into(), tag.into()), (media::MANIFEST.into(), b"{}".to_vec()));
    }
    let client = client();
    assert_eq!(client.open(&at(&server.host, "app")).unwrap().tags().unwrap(), tags);
    let error = client.open(&at(&server.host, "none")).unwrap().tags().unwrap_err().to_string();
    assert!(error.contains("NAME_UNKNOWN"), "{error}");
}

#[test]
fn finds_referrers_by_type_and_deletes_them() {
    let (server, _) = start(ALL);
    let client = client();
    let remote = client.open(&at(&server.host, "app")).unwrap();
    let (blobs, index, image_descriptor) = signed();
    push(&blobs, &index, &remote, Referrers::With);
    let subject = image_descriptor.digest;
    assert_eq!(remote.referrers(&subject, Some(BUNDLE)).unwrap().len(), 1);
    assert_eq!(remote.referrers(&subject, Some("application/other")).unwrap().len(), 0);
    let one = remote.referrers(&subject, None).unwrap().remove(0);
    assert!(remote.delete_manifest(&Pointer::Digest(one.digest)).unwrap());
    assert!(!remote.delete_manifest(&Pointer::Digest(one.digest)).unwrap());
    assert_eq!(remote.referrers(&subject, None).unwrap().len(), 0);
}

#[test]
fn an_old_registry_that_lists_another_artifact_type_is_looked_through() {
    let (server, held) = start(Abilities { referrers: false, ..ALL });
    let client = client();
    let remote = client.open(&at(&server.host, "app")).unwrap();
    let (blobs, index, image_descriptor) = signed();
    push(&blobs, &index, &remote, Referrers::With);
    let key = ("app".to_owned(), oci::remote::fallback_tag(&image_descriptor.digest));
    let mut held = held.lock().unwrap();
    let (_, bytes) = held.manifests.get_mut(&key).unwrap();
    let mut list: serde_json::Value = serde_json::from_slice(bytes).unwrap();
    list["manifests"][0]["artifactType"] = json!("application/vnd.oci.empty.v1+json");
    *bytes = list.to_string().into_bytes();
    drop(held);
    assert_eq!(remote.referrers(&image_descriptor.digest, Some(BUNDLE)).unwrap().len(), 1);
}
