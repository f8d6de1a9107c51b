//! What can happen to files: bits flip, bytes come and go, ends are lost, files vanish, or have another one's contents.

use super::{Files, number};

/// Every instruction takes six bytes.
const INSTRUCTIONS_MAX: usize = 8;

/// Follows the instructions, to the end of the bytes.
pub fn some(files: &mut Files, bytes: &mut impl Iterator<Item = u8>) {
    for _ in 0..INSTRUCTIONS_MAX {
        let (Some(kind), Some(which)) = (bytes.next(), bytes.next()) else { return };
        let at = usize::from(number(bytes));
        let [a, b] = [(); 2].map(|()| bytes.next().unwrap_or_default());
        let names: Vec<String> = files.keys().cloned().collect();
        let name_of = |which: u8| names.get(usize::from(which) % names.len().max(1)).cloned().unwrap_or_default();
        let name = name_of(which);
        let Some(file) = files.get_mut(&name) else { return };
        // Counted from the end, too: that is where most is to be lost.
        let at = if kind & 0x80 == 0 { at.min(file.len()) } else { file.len().saturating_sub(at) };
        let end = (at + usize::from(b) + 1).min(file.len());
        match kind % 8 {
            0 => file[at..end].iter_mut().take(1).for_each(|byte| *byte ^= a),
            1 => file[at..end].fill(a),
            2 => drop(file.splice(at..at, vec![a; usize::from(b)])),
            3 => drop(file.drain(at..end)),
            4 => file.truncate(at),
            5 => drop(files.remove(&name)),
            6 => {
                let other = files[&name_of(a)].clone();
                files.insert(name, other);
            }
            _ => {
                let moved = files.remove(&name).unwrap_or_default();
                let folder = name.rsplit_once('/').map_or("wal", |(folder, _)| folder);
                let number = usize::from(a);
                let to = if folder == "wal" { format!("wal/{number:020}") } else { format!("{folder}/{number:03}") };
                files.insert(to, moved);
            }
        }
    }
}
