//! What definitions say they need of a machine, compared with the one that is there.
//!
//! What is too little is told here; what runs beside what is decided by the schedule. Quantities are those of Kubernetes: `2`,
//! `500m`, `16Gi`, `4G`.

use spec::Recipe;
use spec::recipe::Resources;

/// What a machine has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Machine {
    /// Processors that builds may use.
    pub cpus: usize,
    /// Memory in bytes, if it is known.
    pub memory: Option<u64>,
    /// Free space in bytes where builds work, if it is known.
    pub disk: Option<u64>,
}

/// Says what `recipe` asks for that `machine` does not have, in words for a person.
#[must_use]
pub fn lacking(recipe: &Recipe, machine: &Machine) -> Vec<String> {
    let of_test = recipe.test.as_ref().map(|_| &recipe.test_resources);
    let asked = [Some((&recipe.resources, "")), of_test.map(|resources| (resources, ", for its test"))];
    let found = asked.into_iter().flatten().flat_map(|(resources, what)| {
        lacks(resources, machine).into_iter().map(move |lack| format!("{} asks for {lack}{what}", recipe.name))
    });
    found.collect()
}

fn lacks(resources: &Resources, machine: &Machine) -> Vec<String> {
    let cpus = Some(machine.cpus as u64 * MILLI);
    let all = [
        ("processors", &resources.cpu, cpus, cpus.map(|_| machine.cpus.to_string())),
        ("of memory", &resources.memory, machine.memory.map(thousandfold), machine.memory.map(gibibytes)),
        ("of disk", &resources.disk, machine.disk.map(thousandfold), machine.disk.map(gibibytes)),
    ];
    let mut found = Vec::new();
    for (what, asked, there, shown) in all {
        let (Some(text), Some(there), Some(shown)) = (asked, there, shown) else { continue };
        match quantity(text) {
            Some(asked) if asked > there => found.push(format!("{text} {what}; this machine has {shown}")),
            Some(_) => {}
            None => found.push(format!("`{text}` {what}, which is no quantity such as 2 or 4Gi")),
        }
    }
    // Which processor it is changes nothing that a build sees, and one machine has one kind.
    if let Some(model) = &resources.cpumodel {
        found.push(format!("a processor `{model}`, which is not looked at"));
    }
    found
}

/// Thousandths of one.
const MILLI: u64 = 1000;

fn thousandfold(bytes: u64) -> u64 {
    bytes.saturating_mul(MILLI)
}

fn gibibytes(bytes: u64) -> String {
    format!("{:.1}Gi", bytes as f64 / f64::from(1 << 30))
}

/// Reads a quantity, in thousandths.
pub(crate) fn quantity(text: &str) -> Option<u64> {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let factor: u64 = match unit {
        "m" => 1,
        "" => MILLI,
        "k" => MILLI * 1000,
        "M" => MILLI * 1_000_000,
        "G" => MILLI * 1_000_000_000,
        "Ki" => MILLI << 10,
        "Mi" => MILLI << 20,
        "Gi" => MILLI << 30,
        "Ti" => MILLI << 40,
        _ => return None,
    };
    let (whole, part) = number.split_once('.').unwrap_or((number, ""));
    let digits = u32::try_from(part.len()).ok().filter(|digits| *digits <= 6)?;
    let part = if part.is_empty() { 0 } else { part.parse::<u64>().ok()?.checked_mul(factor)? / 10_u64.pow(digits) };
    whole.parse::<u64>().ok()?.checked_mul(factor)?.checked_add(part)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_are_read_as_kubernetes_reads_them() {
        for (text, expected) in
            [("2", 2000), ("500m", 500), ("0.5", 500), ("1Ki", 1_024_000), ("1.5k", 1_500_000), ("4G", 4_000_000_000_000)]
        {
            assert_eq!(quantity(text), Some(expected), "{text}");
        }
        for text in ["", "Gi", "4gb", "-1", "1e3", "1.2.3", "99999999999Ti"] {
            assert_eq!(quantity(text), None, "{text}");
        }
    }

    #[test]
    fn what_a_machine_lacks_is_told_and_nothing_else() {
        let machine = Machine { cpus: 2, memory: Some(4 << 30), disk: None };
        let resources = |cpu: &str, memory: &str| Resources {
            cpu: Some(cpu.into()),
            memory: Some(memory.into()),
            disk: Some("1Ti".into()),
            ..Resources::default()
        };
        assert_eq!(lacks(&resources("2", "4Gi"), &machine), [] as [&str; 0]);
        assert_eq!(
            lacks(&resources("8", "16Gi"), &machine),
            ["8 processors; this machine has 2", "16Gi of memory; this machine has 4.0Gi"]
        );
        assert_eq!(lacks(&resources("many", "1Gi"), &machine), ["`many` processors, which is no quantity such as 2 or 4Gi"]);
    }
}
