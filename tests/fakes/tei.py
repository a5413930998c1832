"""Stop-gap until fakes/tei/ lands."""
from __future__ import annotations
import argparse, json, threading, time, hashlib
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
import numpy as np
from chroma_sync.pipeline.embed import LocalMiniLM
M=LocalMiniLM(); L=threading.Lock(); C={}; S={"requests":0,"texts":0,"delay":0.0,"fault":0,"until":0.0}
class H(BaseHTTPRequestHandler):
    protocol_version="HTTP/1.1"
    def out(self,code,obj):
        b=json.dumps(obj).encode(); self.send_response(code); self.send_header("content-type","application/json"); self.send_header("content-length",str(len(b))); self.end_headers(); self.wfile.write(b)
    def do_GET(self):
        p=self.path.lstrip("/")
        if p=="info": i=M.info(); return self.out(200,{"model_id":A.model_id,"model_sha":i.model_sha,"model_dtype":"float32","served_model_name":A.model_id,"model_type":{"embedding":{"pooling":"mean"}},"max_concurrent_requests":A.max_concurrent_requests,"max_input_length":256,"max_batch_tokens":16384,"max_batch_requests":4,"max_client_batch_size":A.max_client_batch_size,"auto_truncate":True,"tokenization_workers":2,"version":"1.9.3","sha":None,"docker_label":None})
        if p=="_test/counts": return self.out(200,{"requests":S["requests"],"texts":S["texts"],"distinct_texts":len(C)})
        return self.out(200,{})
    def do_POST(self):
        d=json.loads(self.rfile.read(int(self.headers["content-length"])) or b"{}"); p=self.path.strip("/")
        if p=="_test/delay": S["delay"]=d["seconds"]; return self.out(200,{})
        if p=="_test/faults": S["fault"]=d["status"]; S["until"]=time.time()+d["seconds"]; return self.out(200,{})
        if time.time()<S["until"]: return self.out(S["fault"],{"error":"Model is overloaded","error_type":"Overloaded"})
        t=d["inputs"]; t=[t] if isinstance(t,str) else t
        if p=="tokenize":
            r=[]
            for x in M.tokenize(t): r.append([{"id":0,"text":"","special":True,"start":None,"stop":None}]+[{"id":1,"text":"","special":False,"start":a,"stop":b} for a,b in x.offsets]+[{"id":0,"text":"","special":True,"start":None,"stop":None}])
            return self.out(200,r)
        time.sleep(S["delay"]); S["requests"]+=1; S["texts"]+=len(t)
        with L:
            new=[x for x in dict.fromkeys(t) if x not in C]
            if new:
                for x,v in zip(new,M.embed(new)): C[x]=v.tolist()
        self.out(200,[C[x] for x in t])
    def log_message(self,*a): pass
a=argparse.ArgumentParser(); a.add_argument("--host"); a.add_argument("--port",type=int); a.add_argument("--model-id"); a.add_argument("--cache"); a.add_argument("--max-concurrent-requests",type=int,default=512); a.add_argument("--max-client-batch-size",type=int,default=32); A=a.parse_args()
ThreadingHTTPServer((A.host,A.port),H).serve_forever()
