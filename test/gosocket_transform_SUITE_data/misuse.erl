%% What dialyzer must find: it knows these calls and types by what gosocket says of them.
-module(misuse).
-compile({parse_transform, gosocket_transform}).
-export([listens/0]).

-spec listens() -> ok.
listens() ->
    {ok, Socket} = socket:open(inet, stream, tcp),
    socket:listen(Socket, no_backlog).
