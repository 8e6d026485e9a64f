//! Properties over random trees and texts.
