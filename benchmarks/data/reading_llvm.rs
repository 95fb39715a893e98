use std::collections::{BTreeMap, BinaryHeap, HashMap, HashSet, VecDeque};
#[derive(Debug, Clone, PartialEq, PartialOrd)]
pub struct P {
    x: f64,
    y: f64,
    name: String,
}
pub fn words(s: &str) -> HashMap<String, usize> {
    let mut m = HashMap::new();
    for w in s.split_whitespace() {
        *m.entry(w.to_lowercase()).or_insert(0) += 1;
    }
    m
}
pub fn sortp(v: &mut Vec<P>) {
    v.sort_by(|a, b| a.x.partial_cmp(&b.x).unwrap());
    v.dedup();
}
pub fn tree(v: &[i64]) -> BTreeMap<i64, Vec<usize>> {
    let mut m = BTreeMap::new();
    for (i, &x) in v.iter().enumerate() {
        m.entry(x).or_insert_with(Vec::new).push(i);
    }
    m
}
pub fn heap(v: &[u32]) -> Vec<u32> {
    let mut h: BinaryHeap<u32> = v.iter().cloned().collect();
    let mut o = vec![];
    while let Some(x) = h.pop() {
        o.push(x)
    }
    o
}
pub fn bfs(g: &Vec<Vec<usize>>) -> Vec<usize> {
    let mut q = VecDeque::new();
    let mut s = HashSet::new();
    q.push_back(0);
    let mut o = vec![];
    while let Some(u) = q.pop_front() {
        if s.insert(u) {
            o.push(u);
            for &w in &g[u] {
                q.push_back(w)
            }
        }
    }
    o
}
pub fn matmul(a: &[f32], b: &[f32], c: &mut [f32], n: usize) {
    for i in 0..n {
        for j in 0..n {
            let mut s = 0.0;
            for k in 0..n {
                s += a[i * n + k] * b[k * n + j];
            }
            c[i * n + j] = s;
        }
    }
}
pub fn fmt(p: &P) -> String {
    format!("{:?} {:>10.3} {:x}", p, p.x, p.name.len())
}
pub fn parse(s: &str) -> Result<Vec<i32>, std::num::ParseIntError> {
    s.split(',').map(|x| x.trim().parse::<i32>()).collect()
}
fn main() {
    let w = words("a b a");
    println!("{:?}", w);
    let mut v = vec![P {
        x: 1.0,
        y: 2.0,
        name: "q".into(),
    }];
    sortp(&mut v);
    println!("{}", fmt(&v[0]));
    println!(
        "{:?} {:?} {:?}",
        tree(&[1, 2, 1]),
        heap(&[3, 1, 2]),
        bfs(&vec![vec![1], vec![0]])
    );
    println!("{:?}", parse("1,2"));
    let mut c = [0.0; 4];
    matmul(&[1.0; 4], &[2.0; 4], &mut c, 2);
    println!("{:?}", c);
    let t = std::thread::spawn(move || c.iter().sum::<f32>());
    println!("{}", t.join().unwrap());
}
