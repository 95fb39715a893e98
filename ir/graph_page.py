"""The page that `graph_html` fills: style, layout and behaviour, with no outside resources.

Owns `PAGE` with the marks `@TITLE@` and `@DATA@`. Blocks are boxes in rows of the control flow, operations are lines in
their blocks, nested regions are boxes within; rows are made when a block is opened, and a block shows some hundred lines
at once, so graphs of 50,000 nodes and blocks of any length are fine.
"""

# ruff: noqa: E501

from __future__ import annotations

PAGE = r"""<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>@TITLE@</title>
<style>
*{box-sizing:border-box}
body{margin:0;font:13px/1.4 system-ui,sans-serif;color:#1d2733;background:#eef1f5;overflow:hidden}
#bar{position:fixed;inset:0 0 auto 0;height:44px;display:flex;gap:10px;align-items:center;padding:0 14px;background:#fff;
 border-bottom:1px solid #cfd6df;z-index:5}
#bar h1{font-size:15px;margin:0;max-width:26em;overflow:hidden;text-overflow:ellipsis;white-space:nowrap}
#bar .sum{color:#667}
#bar input{width:230px;padding:5px 8px;border:1px solid #b8c2cf;border-radius:5px;font:inherit}
button{font:inherit;padding:4px 10px;border:1px solid #b8c2cf;border-radius:5px;background:#f7f9fb;cursor:pointer}
button:hover{background:#e8eef6}
#view{position:fixed;inset:44px 340px 0 0;overflow:hidden;cursor:grab}
#view.drag{cursor:grabbing}
#world{position:absolute;transform-origin:0 0;padding:24px}
#lines,#under{position:absolute;left:0;top:0;overflow:visible;pointer-events:none;z-index:2}#under{z-index:0}
#boxes{position:relative;z-index:1}
#side{position:fixed;inset:44px 0 0 auto;width:340px;background:#fff;border-left:1px solid #cfd6df;overflow:auto;
 padding:12px 14px}
#side h2{font-size:13px;margin:14px 0 4px;color:#445}
#side .mono,#side li{font:12px/1.45 ui-monospace,Menlo,Consolas,monospace;overflow-wrap:anywhere}
#side ul{margin:0;padding:0;list-style:none}#side li{padding:2px 5px;border-radius:4px;cursor:pointer}
#side li:hover{background:#e8eef6}#side li small{color:#778;margin-right:6px}
table{border-collapse:collapse;font-size:12px}td{padding:1px 10px 1px 0}
.func{border:1px solid #b8c2cf;border-radius:8px;margin:0 0 20px;padding:10px 14px;width:max-content}
.func>.head,.block>.head{cursor:pointer;white-space:nowrap}
.func>.head{font:600 13px ui-monospace,Menlo,Consolas,monospace}
.row{display:flex;gap:36px;margin-top:30px;justify-content:center;align-items:flex-start}
.row:first-child{margin-top:12px}
.block{border:1px solid #8fa3bb;border-radius:6px;background:#f8fafc;width:max-content;max-width:760px}
.block>.head{padding:3px 9px;background:#dde7f2;border-radius:5px 5px 0 0;
 font:600 12px ui-monospace,Menlo,Consolas,monospace}
.block.loop>.head{background:#fde8c8}
.head .count{color:#5b6b7d;font-weight:400;margin-left:10px}
.op,.arg{font:12px/1.5 ui-monospace,Menlo,Consolas,monospace;padding:0 9px;white-space:pre;overflow:hidden;
 text-overflow:ellipsis;cursor:pointer}
.op:hover,.arg:hover{background:#e3ecf7}.arg{color:#7a4b00}
.op.mem{color:#a3261b}.op.call{color:#6b3fa0}.op.term{color:#1b4f8a}
.more{font:12px/1.7 system-ui,sans-serif;padding:1px 9px;color:#1b4f8a;background:#eaf1fa;cursor:pointer}
.more:hover{background:#d5e4f7}#note{color:#a3261b}
.sel{background:#ffe98a!important}.hit{background:#d8f0d8}
.region{margin:3px 10px 6px 22px;padding:4px 8px;border-left:3px solid #b8c2cf}
.row{justify-content:flex-start}.nested .row{margin-top:8px}
.key span{display:inline-block;width:22px;height:3px;vertical-align:middle;margin-right:6px}
</style></head><body>
<div id="bar"><h1>@TITLE@</h1><span class="sum" id="sum"></span>
<input id="find" type="search" placeholder="Search all nodes" autocomplete="off">
<button id="open">Open blocks</button><button id="shut">Close blocks</button>
<button id="fit">Fit</button><button id="one">1:1</button><span id="note"></span></div>
<div id="view"><div id="world"><svg id="under" width="1" height="1"></svg><svg id="lines" width="1" height="1"></svg><div id="boxes"></div></div></div>
<div id="side"></div>
<script id="data" type="application/json">@DATA@</script>
<script>
"use strict";
const D=JSON.parse(document.getElementById("data").textContent);
const $=id=>document.getElementById(id),NK=D.nodeKinds,EK=D.edgeKinds,N=D.kind.length;
const [S,T,K,P]=D.edges,E=S.length,ek=n=>EK.indexOf(n),nk=n=>NK.indexOf(n);
const OP=nk("operation"),BLOCK=nk("block"),REGION=nk("region"),CONT=ek("containment"),CTRL=ek("control"),MEM=ek("memory"),
 CALL=ek("call");
const kids=new Map(),outs=Array.from({length:N},()=>[]),ins=Array.from({length:N},()=>[]),up=new Int32Array(N).fill(-1);
const flow=[],touches=new Uint8Array(N),calls=new Uint8Array(N);
for(let e=0;e<E;e++){outs[S[e]].push(e);ins[T[e]].push(e);
 if(K[e]===CONT){if(!kids.has(S[e]))kids.set(S[e],[]);kids.get(S[e]).push(T[e]);up[T[e]]=S[e];}
 else if(K[e]===CTRL&&D.kind[T[e]]===BLOCK)flow.push(e);
 else if(K[e]===MEM){touches[S[e]]=touches[T[e]]=1;}
 else if(K[e]===CALL)calls[S[e]]=1;}
const SVG="http://www.w3.org/2000/svg",COLOR={operand:"#1f77b4",result:"#2ca02c",control:"#33475c",call:"#9467bd",
 forward:"#17a2b8",memory:"#d62728"};
const at=new Map(),opened=new Set(),closedFuncs=new Set();let selected=-1,zoom=1,px=0,py=0;
const total=D.kind.filter(k=>k===OP).length;
$("sum").textContent=`${N} nodes, ${E} edges, ${total} operations`;
function el(tag,cls,text){const x=document.createElement(tag);if(cls)x.className=cls;if(text!==undefined)x.textContent=text;
 return x;}
const opsOf=b=>(kids.get(b)||[]).filter(n=>D.kind[n]===OP),regionsOf=o=>(kids.get(o)||[]).filter(n=>D.kind[n]===REGION);
function summary(b){const c={};for(const o of opsOf(b)){const m=/(?:^|= )([\w$]+\.[\w.$]+)/.exec(D.label[o]);
 const n=m?m[1].split(".").slice(1).join("."):"?";c[n]=(c[n]||0)+1;}
 const t=Object.entries(c).sort((a,b)=>b[1]-a[1]).slice(0,4).map(([n,k])=>`${k} ${n}`).join(", ");
 return `${opsOf(b).length} ops: ${t}`;}
const WINDOW=400,MOST=5000,from=new Map();
function more(box,b,start,text){const x=el("div","more",text);x.onclick=()=>{from.set(b,start);draw();};box.append(x);}
function blockBox(b){const box=el("div","block"),trip=(D.num[b]||{}).trip_count_log2,depth=(D.num[b]||{}).loop_depth;
 if(depth)box.classList.add("loop");
 const head=el("div","head",(opened.has(b)?"▾ ":"▸ ")+D.label[b]);
 const extra=(depth?`depth ${depth}  `:"")+(trip?`${Math.round(2**trip-1)} trips  `:"")+(opened.has(b)?"":summary(b));
 head.append(el("span","count",extra));head.onclick=()=>{opened.has(b)?opened.delete(b):opened.add(b);draw();select(b,false);};
 box.append(head);at.set(b,box);
 const all=kids.get(b)||[],start=from.get(b)||0,stop=Math.min(all.length,start+WINDOW);
 if(opened.has(b)&&start)more(box,b,Math.max(0,start-WINDOW),`▴ ${start} of ${all.length} lines above`);
 if(opened.has(b))for(const n of all.slice(start,stop)){if(D.kind[n]!==OP){line(box,n,"arg");continue;}
  const last=outs[n].some(e=>K[e]===CTRL&&D.kind[T[e]]===BLOCK);
  line(box,n,"op"+(touches[n]?" mem":"")+(calls[n]?" call":"")+(last?" term":""));
  for(const r of regionsOf(n)){const x=regionBox(r);x.classList.add("nested");box.append(x);}}
 if(opened.has(b)&&stop<all.length)more(box,b,stop,`▾ ${all.length-stop} of ${all.length} lines below`);
 return box;}
function line(box,n,cls){const x=el("div",cls,D.label[n]);x.title=D.label[n];x.onclick=()=>select(n,false);at.set(n,x);
 box.append(x);}
function regionBox(r){const box=el("div","region"),rows=new Map();at.set(r,box);
 for(const b of kids.get(r)||[]){const l=D.layer[b]||0;if(!rows.has(l))rows.set(l,[]);rows.get(l).push(b);}
 for(const l of [...rows.keys()].sort((a,b)=>a-b)){const row=el("div","row");for(const b of rows.get(l))row.append(blockBox(b));
  box.append(row);}
 return box;}
function funcBox(f){const box=el("div","func"),shut=closedFuncs.has(f),regions=regionsOf(f);
 const count=regions.reduce((s,r)=>s+(kids.get(r)||[]).length,0);
 const head=el("div","head",(shut?"▸ ":"▾ ")+D.label[f]);head.append(el("span","count",`${count} block${count===1?"":"s"}`));
 head.onclick=()=>{shut?closedFuncs.delete(f):closedFuncs.add(f);draw();select(f,false);};box.append(head);at.set(f,box);
 if(!shut)for(const r of regions){const x=regionBox(r);x.style.cssText="margin:0;border:0;padding:0";box.append(x);}
 return box;}
const top0=/builtin\.module/.test(D.label[0])?regionsOf(0).flatMap(r=>(kids.get(r)||[]).flatMap(opsOf)):[];
const functions=top0.length?top0:[0];
function draw(){at.clear();const boxes=$("boxes");boxes.textContent="";for(const f of functions)boxes.append(funcBox(f));wires();}
function shown(n){while(n>=0&&!at.has(n))n=up[n];return n;}
function wires(){let svg=$("lines");svg.textContent="";$("under").textContent="";const o=$("world").getBoundingClientRect();
 const rect=n=>{const r=at.get(n).getBoundingClientRect();
  return {l:(r.left-o.left)/zoom,r:(r.right-o.left)/zoom,t:(r.top-o.top)/zoom,b:(r.bottom-o.top)/zoom};};
 const path=(d,c,w,dash)=>{const p=document.createElementNS(SVG,"path");p.setAttribute("d",d);p.setAttribute("stroke",c);
  p.setAttribute("stroke-width",w);p.setAttribute("fill","none");p.setAttribute("marker-end","url(#m"+c.slice(1)+")");
  if(dash)p.setAttribute("stroke-dasharray",dash);svg.append(p);};
 const defs=document.createElementNS(SVG,"defs");svg.append(defs);
 for(const c of new Set([...Object.values(COLOR),"#8795a6","#d08a1d"])){const m=document.createElementNS(SVG,"marker");
  for(const [k,v] of Object.entries({id:"m"+c.slice(1),viewBox:"0 0 8 8",refX:7,refY:4,markerWidth:7,markerHeight:7,
   orient:"auto-start-reverse"}))m.setAttribute(k,v);
  const p=document.createElementNS(SVG,"path");p.setAttribute("d","M0 0L8 4L0 8z");p.setAttribute("fill",c);m.append(p);
  defs.append(m);}
 svg=$("under");
 for(const e of flow.slice(0,4000)){let s=S[e];while(s>=0&&D.kind[s]!==BLOCK)s=up[s];
  if(D.kind[S[e]]===REGION||s<0||!at.has(s)||!at.has(T[e]))continue;const a=rect(s),b=rect(T[e]);
  if(b.t>=a.b){const x=(a.l+a.r)/2+14*(P[e]||0)-7,y=(b.l+b.r)/2,m=Math.min(40,(b.t-a.b)/2);
   path(`M${x} ${a.b}C${x} ${a.b+m} ${y} ${b.t-m} ${y} ${b.t}`,"#8795a6",1.4);}
  else{const x=Math.max(a.r,b.r)+22;path(`M${a.r} ${a.b-8}C${x} ${a.b-8} ${x} ${b.t+10} ${b.r} ${b.t+10}`,"#d08a1d",1.6);}}
 svg=$("lines");if(selected<0)return;let drawn=0;
 const near=[...outs[selected],...ins[selected]];
 for(const e of [...near])if(K[e]===ek("result"))near.push(...outs[T[e]].filter(f=>K[f]===ek("operand")));
 for(const e of [...near])if(K[e]===ek("operand")&&T[e]===selected)near.push(...ins[S[e]].filter(f=>K[f]===ek("result")));
 for(const e of near){const name=EK[K[e]];if(!COLOR[name]||drawn>300)continue;let s=S[e],t=T[e];
  if(D.kind[s]!==OP&&!at.has(s)){const d=ins[s].find(f=>K[f]===ek("result"));if(d===undefined)continue;s=S[d];}
  if(D.kind[t]!==OP&&!at.has(t)){const d=ins[t].find(f=>K[f]===ek("result"));if(d===undefined)continue;t=S[d];}
  s=shown(s);t=shown(t);if(s<0||t<0||s===t||(name==="control"&&D.kind[s]===OP&&D.kind[t]===OP))continue;
  const a=rect(s),b=rect(t),y1=(a.t+Math.min(a.b,a.t+18))/2,y2=(b.t+Math.min(b.b,b.t+18))/2,w=30+Math.min(90,Math.abs(y1-y2)/4);
  path(`M${a.l} ${y1}C${Math.min(a.l,b.l)-w} ${y1} ${Math.min(a.l,b.l)-w} ${y2} ${b.l} ${y2}`,COLOR[name],2,
   name==="memory"&&P[e]>=4?"5 3":"");drawn++;}}
function reveal(n){for(let m=n;m>=0;m=up[m]){if(D.kind[m]===BLOCK)opened.add(m);closedFuncs.delete(m);
  const b=up[m];if(b>=0&&D.kind[b]===BLOCK){const i=kids.get(b).indexOf(m),s=from.get(b)||0;
   if(i<s||i>=s+WINDOW)from.set(b,Math.max(0,i-WINDOW/2));}}
 if(D.kind[n]===BLOCK&&!kids.has(n))opened.delete(n);}
function anchor(n){if(up[n]>=0||n===0)return n;const e=ins[n].find(f=>K[f]===ek("result"));
 if(e!==undefined)return S[e];const u=outs[n].concat(ins[n]).map(f=>S[f]===n?T[f]:S[f]).find(m=>D.kind[m]===OP);
 return u===undefined?0:u;}
function select(n,move){selected=n;document.querySelectorAll(".sel").forEach(x=>x.classList.remove("sel"));
 const a=anchor(n);if(move){reveal(a);draw();}
 const box=at.get(a);if(box){(box.classList.contains("block")||box.classList.contains("func")?box.firstChild:box)
  .classList.add("sel");if(move){const r=box.getBoundingClientRect(),v=$("view").getBoundingClientRect();
  px+=v.left+v.width/3-r.left-Math.min(r.width,v.width)/4;py+=v.top+v.height/2-r.top;place();}}
 wires();panel(n);}
function item(n,note){const li=el("li");if(note)li.append(el("small","",note));li.append(D.label[n]);
 li.onclick=()=>select(n,true);return li;}
const MEMORY=["load after store","store after load","store after store"];
function panel(n){const side=$("side");side.textContent="";side.append(el("h2","",`${NK[D.kind[n]]}, node ${n}`),
  el("div","mono",D.label[n]));
 const nums=Object.entries(D.num[n]||{});if(nums.length){side.append(el("h2","","Numbers"));const t=el("table");
  for(const [k,v] of nums){const r=el("tr");r.append(el("td","",k),el("td","",String(v)));t.append(r);}side.append(t);}
 for(const [word,list,end] of [["in",ins[n],S],["out",outs[n],T]]){const groups=new Map();
  for(const e of list){if(!groups.has(K[e]))groups.set(K[e],[]);groups.get(K[e]).push(e);}
  for(const [k,es] of groups){side.append(el("h2","",`${EK[k]} ${word==="in"?"from":"to"} (${es.length})`));const ul=el("ul");
   for(const e of es.slice(0,60))ul.append(item(end[e],k===MEM?MEMORY[P[e]%4]+(P[e]>=4?", next iteration":""):String(P[e])));
   side.append(ul);}}}
function legend(){const side=$("side");side.textContent="";side.append(el("h2","","How to read this"));
 for(const t of ["A box is a block of the program, a line in it an operation; boxes stand in the order of control flow, "+
  "loops back are orange. Yellow heads are blocks inside loops.","Click a head to open or close it. Click a line to see "+
  "its numbers and what it is connected to. Drag to move, turn the wheel to zoom.",`A block shows ${WINDOW} lines at a `+
  "time; a search goes through all."])side.append(el("p","",t));
 side.append(el("h2","","Lines of the chosen operation"));
 for(const [n,c] of Object.entries(COLOR)){const d=el("div","key"),s=el("span");s.style.background=c;d.append(s,n);
  side.append(d);}
 side.append(el("h2","","Nodes"));const t=el("table");
 NK.forEach((n,i)=>{const r=el("tr");r.append(el("td","",n),el("td","",String(D.kind.filter(k=>k===i).length)));t.append(r);});
 side.append(t);side.append(el("h2","","Edges"));const u=el("table");
 EK.forEach((n,i)=>{const r=el("tr");r.append(el("td","",n),el("td","",String(K.filter(k=>k===i).length)));u.append(r);});
 side.append(u);}
function find(text){const side=$("side");const q=text.trim().toLowerCase();if(!q){legend();return;}
 const hits=[];for(let n=0;n<N&&hits.length<200;n++)if(D.label[n].toLowerCase().includes(q))hits.push(n);
 side.textContent="";side.append(el("h2","",`${hits.length===200?"the first ":""}${hits.length} found`));const ul=el("ul");
 for(const n of hits)ul.append(item(n,NK[D.kind[n]]));side.append(ul);}
function place(){$("world").style.transform=`translate(${px}px,${py}px) scale(${zoom})`;}
function fit(){const w=$("boxes"),v=$("view").getBoundingClientRect();
 zoom=Math.max(.05,Math.min(1,(v.width-48)/(w.offsetWidth+48),(v.height-48)/(w.offsetHeight+48)));px=py=0;place();wires();}
function scaled(f,x,y){const z=Math.max(.05,Math.min(3,zoom*f)),v=$("view").getBoundingClientRect();x-=v.left;y-=v.top;
 px=x-(x-px)*z/zoom;py=y-(y-py)*z/zoom;zoom=z;place();}
$("view").addEventListener("wheel",e=>{e.preventDefault();scaled(e.deltaY<0?1.12:1/1.12,e.clientX,e.clientY);},{passive:false});
let drag=null;$("view").addEventListener("pointerdown",e=>{drag=[e.clientX-px,e.clientY-py];});
window.addEventListener("pointermove",e=>{if(!drag)return;$("view").classList.add("drag");px=e.clientX-drag[0];
 py=e.clientY-drag[1];place();});
window.addEventListener("pointerup",()=>{drag=null;$("view").classList.remove("drag");});
window.addEventListener("resize",wires);
$("find").oninput=e=>find(e.target.value);
$("fit").onclick=fit;$("one").onclick=()=>{zoom=1;px=py=0;place();wires();};
function openBlocks(budget){let left=0;for(let n=0;n<N;n++)if(D.kind[n]===BLOCK){
  const size=Math.min(WINDOW,(kids.get(n)||[]).length);if(size<=budget){budget-=size;opened.add(n);}else left++;}return left;}
$("open").onclick=()=>{const left=openBlocks(MOST);draw();
 $("note").textContent=left?`${left} blocks stay closed: more than ${MOST} lines are too many at once`:"";};
$("shut").onclick=()=>{opened.clear();$("note").textContent="";draw();};
if(functions.length>12)functions.forEach(f=>closedFuncs.add(f));
openBlocks(WINDOW);
legend();draw();
</script></body></html>
"""
