//! Lists that were put into memory.

mod authority;

use authority::{Authority, query_at, verdict};
use portcullis_crl_fetch::{CrlInput, CrlSource as _, Layered, Lookup, MemoryCrls};

const URI: &str = "http://crl.test/ca.crl";

fn der(list: Vec<u8>) -> CrlInput {
    CrlInput::Der(list)
}

#[tokio::test]
async fn lists_are_inserted_and_removed() {
    let ca = Authority::new();
    let crls = MemoryCrls::new();
    let leaf = ca.leaf(9, &[URI]);
    assert!(verdict(&ca, &leaf, &crls).await.is_err());
    let list = ca.list(1, &[]);
    assert_eq!(crls.insert(der(list.clone()), None).unwrap(), 1);
    assert!(crls.bytes() >= list.len());
    assert!(verdict(&ca, &leaf, &crls).await.is_ok());
    // Again, an older one, and a newer one.
    assert_eq!(crls.insert(der(ca.list(0, &[9])), None).unwrap(), 0);
    assert!(verdict(&ca, &leaf, &crls).await.is_ok());
    assert_eq!(crls.insert(der(ca.list(2, &[9])), None).unwrap(), 1);
    assert_eq!(crls.len(), 1);
    assert!(verdict(&ca, &leaf, &crls).await.is_err());
    assert_eq!(crls.remove(&der(list)).unwrap(), 0);
    assert_eq!(
        crls.remove(&der(ca.list(2, &[9]))).unwrap(),
        0,
        "signed anew"
    );
    crls.clear();
    assert_eq!((crls.len(), crls.bytes()), (0, 0));
}

/// otp#8891: the path alone says nothing.
#[tokio::test]
async fn a_point_is_its_whole_uri() {
    let ca = Authority::new();
    let crls = MemoryCrls::new();
    crls.insert(der(ca.list(1, &[])), Some("http://other.test/ca.crl"))
        .unwrap();
    assert!(matches!(
        crls.lookup(&query_at(&ca, URI)).await,
        Lookup::NotAvailable(None)
    ));
    crls.insert(der(ca.list(1, &[9])), Some(URI)).unwrap();
    assert_eq!(crls.len(), 2);
    assert!(
        matches!(crls.lookup(&query_at(&ca, URI)).await, Lookup::Found(lists) if lists.len() == 1)
    );
    assert!(verdict(&ca, &ca.leaf(9, &[URI]), &crls).await.is_err());
    assert_eq!(crls.remove_uri(URI), 1);
    assert_eq!(crls.remove_uri(URI), 0);
}

/// Two authorities of one name, as one has whose key is renewed.
#[tokio::test]
async fn lists_of_two_keys_stand_side_by_side() {
    let (one, other) = (Authority::new(), Authority::new());
    let crls = MemoryCrls::new();
    crls.insert(der(one.list(1, &[])), None).unwrap();
    crls.insert(der(other.list(9, &[])), None).unwrap();
    assert_eq!(crls.len(), 2);
    for ca in [one, other] {
        assert!(verdict(&ca, &ca.leaf(8, &[]), &crls).await.is_ok());
    }
}

#[test]
fn what_is_damaged_or_too_much_is_refused_whole() {
    let ca = Authority::new();
    let crls = MemoryCrls::with_room(2_000);
    let error = crls.insert(CrlInput::Der(vec![0x30, 0]), None).unwrap_err();
    assert!(error.to_string().contains("damaged at byte 0"), "{error}");
    let error = crls
        .insert(CrlInput::File("/no/such/list".into()), None)
        .unwrap_err();
    assert!(error.to_string().contains("/no/such/list"), "{error}");
    let many: Vec<u8> = (1..200).collect();
    let error = crls.insert(der(ca.list(1, &many)), None).unwrap_err();
    assert!(
        error.to_string().contains("there is room for 2000 bytes"),
        "{error}"
    );
    assert!(crls.is_empty());
}

/// A list takes the room of the one that it replaces.
#[test]
fn what_is_replaced_leaves_its_room() {
    let ca = Authority::new();
    let many: Vec<u8> = (1..100).collect();
    let size = CrlInput::Der(ca.list(1, &many)).read().unwrap()[0].bytes();
    let crls = MemoryCrls::with_room(size + size / 2);
    for number in 1..5 {
        assert_eq!(crls.insert(der(ca.list(number, &many)), None).unwrap(), 1);
    }
    // The same again, as a server does that reads its file twice.
    let list = ca.list(9, &many);
    for _ in 0..2 {
        crls.insert(der(list.clone()), None).unwrap();
    }
    assert_eq!(crls.len(), 1);
    let before = crls.bytes();
    let others = Authority::named("Other").list(1, &many);
    let error = crls.insert(der(others), None).unwrap_err();
    assert!(error.to_string().contains("there is room for"), "{error}");
    assert_eq!((crls.len(), crls.bytes()), (1, before));
    assert_eq!(crls.remove(&der(list)).unwrap(), 1);
}

/// A list that says nothing hides none of the next source, however many there are.
#[tokio::test]
async fn a_list_of_no_use_hides_no_other() {
    let ca = Authority::new();
    let [first, second, third] = [(); 3].map(|()| MemoryCrls::new());
    let all = Layered::new(first.clone(), Layered::new(second.clone(), third.clone()));
    // Of another key of the authority: over the same points, and of its whole.
    first
        .insert(der(Authority::new().list(9, &[])), None)
        .unwrap();
    let leaves = [ca.leaf(9, &[URI]), ca.leaf(9, &[])];
    for leaf in &leaves {
        let error = verdict(&ca, leaf, &all).await.unwrap_err();
        assert!(error.to_string().contains("cannot be told"), "{error}");
    }
    second
        .insert(der(Authority::new().list(8, &[])), None)
        .unwrap();
    third.insert(der(ca.list(1, &[9])), None).unwrap();
    for leaf in &leaves {
        let error = verdict(&ca, leaf, &all).await.unwrap_err();
        assert!(error.to_string().contains("says the CRL 1"), "{error}");
    }
}

/// One list after the other may be in a file; what others have put there does not go with it.
#[test]
fn an_exchange_takes_away_what_an_exchange_has_put_there() {
    let ca = Authority::new();
    let read = |der: &[u8]| CrlInput::Der(der.to_vec()).read().unwrap();
    let (first, second) = (ca.list(1, &[]), ca.list(2, &[]));
    let other = Authority::named("Other").list(1, &[]);
    // By hand, before and after.
    for insert_first in [true, false] {
        let crls = MemoryCrls::new();
        let by_hand = || assert_eq!(crls.insert(der(first.clone()), None).unwrap(), 1);
        if insert_first {
            by_hand();
        }
        crls.exchange(&[], &read(&first)).unwrap();
        if !insert_first {
            by_hand();
        }
        let bytes = crls.bytes();
        crls.exchange(&read(&first), &[]).unwrap();
        crls.exchange(&read(&first), &[]).unwrap();
        assert_eq!((crls.len(), crls.bytes()), (1, bytes));
        // A newer one stands before it as long as it is there.
        crls.exchange(&[], &read(&second)).unwrap();
        assert_eq!(crls.len(), 1);
        assert_eq!(crls.bytes(), bytes + read(&second)[0].bytes());
        crls.exchange(&read(&second), &read(&other)).unwrap();
        assert_eq!(
            (crls.len(), crls.bytes()),
            (2, bytes + read(&other)[0].bytes())
        );
        crls.exchange(&read(&other), &[]).unwrap();
        assert_eq!((crls.len(), crls.bytes()), (1, bytes));
        assert_eq!(crls.remove(&der(first.clone())).unwrap(), 1);
        assert_eq!((crls.len(), crls.bytes()), (0, 0));
    }
    // Whoever takes one of the two away leaves the other.
    for (gone, stays) in [(&first, &second), (&second, &first)] {
        let crls = MemoryCrls::new();
        crls.insert(der(first.clone()), None).unwrap();
        crls.exchange(&[], &read(&second)).unwrap();
        assert_eq!(crls.remove(&der(gone.clone())).unwrap(), 1);
        assert_eq!((crls.len(), crls.bytes()), (1, read(stays)[0].bytes()));
        assert_eq!(crls.remove(&der(gone.clone())).unwrap(), 0);
        crls.exchange(&read(&second), &[]).unwrap();
        assert_eq!(crls.len(), usize::from(stays == &first));
    }
    // By two of them, each of which has it in two files.
    let crls = MemoryCrls::new();
    let twice = [read(&first), read(&first)].concat();
    for _ in 0..2 {
        crls.exchange(&[], &twice).unwrap();
    }
    crls.exchange(&twice, &twice).unwrap();
    assert_eq!(crls.len(), 1);
    crls.exchange(&twice, &read(&other)).unwrap();
    assert_eq!(crls.len(), 2);
    crls.exchange(&twice, &[]).unwrap();
    assert_eq!(crls.len(), 1);
    crls.exchange(&read(&other), &[]).unwrap();
    assert_eq!((crls.len(), crls.bytes()), (0, 0));
    // Who inserts a newer one has it to himself.
    crls.exchange(&[], &read(&first)).unwrap();
    crls.insert(der(second.clone()), None).unwrap();
    crls.exchange(&read(&first), &[]).unwrap();
    assert_eq!(crls.remove(&der(second)).unwrap(), 1);
    assert_eq!((crls.len(), crls.bytes()), (0, 0));
}

/// What there is no room for changes nothing, whoever has put there what is there.
#[test]
fn an_exchange_without_room_leaves_all_as_it_was() {
    let ca = Authority::new();
    let read = |der: &[u8]| CrlInput::Der(der.to_vec()).read().unwrap();
    let many: Vec<u8> = (1..100).collect();
    let (small, large) = (ca.list(1, &[]), ca.list(2, &many));
    let crls = MemoryCrls::with_room(read(&small)[0].bytes() * 2);
    crls.insert(der(small.clone()), None).unwrap();
    crls.exchange(&[], &read(&small)).unwrap();
    let before = crls.bytes();
    let error = crls.exchange(&read(&small), &read(&large)).unwrap_err();
    assert!(error.to_string().contains("there is room for"), "{error}");
    assert_eq!((crls.len(), crls.bytes()), (1, before));
    crls.exchange(&read(&small), &[]).unwrap();
    assert_eq!(crls.remove(&der(small)).unwrap(), 1);
    assert_eq!(crls.bytes(), 0);
}
