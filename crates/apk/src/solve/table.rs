//! Vectors that only one kind of id can index, so that names, packages and requirements never mix.

use std::marker::PhantomData;
use std::ops::{Index, IndexMut};

/// A number that counts things of one kind.
pub(crate) trait Id: Copy {
    /// Makes the id from a place in a table.
    fn new(place: usize) -> Self;
    /// Returns the place in a table.
    fn place(self) -> usize;
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub(crate) struct $name(u32);

        impl Id for $name {
            fn new(place: usize) -> Self {
                // An index holds far fewer than 2^32 lines; its reader limits its size.
                Self(u32::try_from(place).unwrap_or(u32::MAX))
            }

            fn place(self) -> usize {
                self.0 as usize
            }
        }
    };
}

id!(
    /// A name that packages have, provide or ask for.
    Name
);
id!(
    /// A package: one record, or several with the same checksum.
    Package
);
id!(
    /// A name and a constraint on it, shared by all that ask for it.
    Requirement
);

/// A vector indexed by `I`.
#[derive(Debug, Clone)]
pub(crate) struct Table<I, T> {
    items: Vec<T>,
    kind: PhantomData<fn(I)>,
}

impl<I: Id, T> Table<I, T> {
    pub(crate) const fn new() -> Self {
        Self { items: Vec::new(), kind: PhantomData }
    }

    pub(crate) fn filled(value: T, len: usize) -> Self
    where
        T: Clone,
    {
        Self { items: vec![value; len], kind: PhantomData }
    }

    pub(crate) fn push(&mut self, item: T) -> I {
        self.items.push(item);
        I::new(self.items.len() - 1)
    }

    pub(crate) fn len(&self) -> usize {
        self.items.len()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (I, &T)> {
        self.items.iter().enumerate().map(|(place, item)| (I::new(place), item))
    }

    pub(crate) fn ids(&self) -> impl Iterator<Item = I> + use<I, T> {
        (0..self.items.len()).map(I::new)
    }
}

impl<I: Id, T> FromIterator<T> for Table<I, T> {
    fn from_iter<C: IntoIterator<Item = T>>(items: C) -> Self {
        Self { items: items.into_iter().collect(), kind: PhantomData }
    }
}

impl<I: Id, T> Index<I> for Table<I, T> {
    type Output = T;

    fn index(&self, id: I) -> &T {
        &self.items[id.place()]
    }
}

impl<I: Id, T> IndexMut<I> for Table<I, T> {
    fn index_mut(&mut self, id: I) -> &mut T {
        &mut self.items[id.place()]
    }
}
