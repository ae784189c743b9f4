import re,collections
asm=[l.split(':',1) for l in open('/tmp/k3_asm') if l.strip().startswith(('0x','=>'))]
cnt=collections.Counter()
for l in open('/tmp/k3_all'): cnt[int(l.strip(),16)]+=1
rows=[]
for a,b in asm:
    ad=int(a.replace('=>','').split()[0],16); rows.append((ad,cnt.get(ad,0),b.strip().replace('\t',' ')))
tot=sum(c for _,c,_ in rows); print('total',tot)
# buckets of 100 instr
import sys
for i in range(0,len(rows),250):
    s=sum(c for _,c,_ in rows[i:i+250])
    ops=collections.Counter(r[2].split()[0] for r in rows[i:i+250])
    if s: print(i,s,ops.most_common(8))
