%% The client and the server of the man page socket(3), section EXAMPLES.
-module(man_page).
-compile({parse_transform, gosocket_transform}).
-export([client/3, server/2]).

client(Addr, SAddr, SPort) ->
    {ok, Sock} = socket:open(inet, stream, tcp),
    {ok, _} = socket:bind(Sock, #{family => inet,
                                  addr   => Addr}),
    ok = socket:connect(Sock, #{family => inet,
                                addr   => SAddr,
                                port   => SPort}),
    Msg = list_to_binary("hello"),
    ok = socket:send(Sock, Msg),
    ok = socket:shutdown(Sock, write),
    {ok, Msg} = socket:recv(Sock),
    ok = socket:close(Sock).

server(Addr, Port) ->
    {ok, LSock} = socket:open(inet, stream, tcp),
    {ok, _} = socket:bind(LSock, #{family => inet,
                                   port   => Port,
                                   addr   => Addr}),
    ok = socket:listen(LSock),
    {ok, Sock} = socket:accept(LSock),
    {ok, Msg} = socket:recv(Sock),
    ok = socket:send(Sock, Msg),
    ok = socket:shutdown(Sock, write),
    ok = socket:close(Sock),
    ok = socket:close(LSock).
