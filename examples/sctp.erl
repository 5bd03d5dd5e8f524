%% SCTP: a server with one socket and two addresses, and two clients. It sees them come and go by notifications,
%% answers each on the stream that it was asked on, and gives one of them a socket of its own.
%%
%%     examples/run sctp        where the kernel has SCTP; make test-sctp runs it on one that has
-module(sctp).

-export([main/0]).

-spec main() -> no_return().
main() ->
    case gosocket:open(inet, seqpacket, sctp) of
        {ok, Server} ->
            serve(Server),
            halt(0);
        {error, Reason} ->
            io:format("no SCTP in this kernel (~s): make test-sctp runs this example on one that has it~n", [Reason]),
            halt(1)
    end.

-spec serve(gosocket:socket()) -> ok.
serve(Server) ->
    ok = gosocket:bind(Server, [#{family => inet, addr => {127, 0, 0, N}, port => 0} || N <- [1, 2]], add),
    ok = gosocket:listen(Server),
    ok = gosocket:setopt(Server, sctp, recvrcvinfo, true),
    [ok = gosocket:setopt(Server, sctp, event, #{type => Event, on => true}) || Event <- [assoc_change, shutdown_event]],
    {ok, #{port := Port}} = gosocket:sockname(Server),
    Clients = [client(Name, #{family => inet, addr => {127, 0, 0, N}, port => Port}) || {Name, N} <- [{"first", 1}, {"second", 2}]],
    [Asked | _] = [next(Server) || _ <- lists:seq(1, 4)],
    [{ok, Answer} = gosocket:recv(Client, 0, 5000) || Client <- Clients, Answer <- [<<"heard you">>]],
    {ok, Own} = gosocket_sctp:peeloff(Server, Asked),
    ok = gosocket:send(Own, <<"just the two of us">>),
    {ok, Alone} = gosocket:recv(hd(Clients), 0, 5000),
    io:format("the first client got ~s~n", [Alone]),
    ok = gosocket:close(lists:last(Clients)),
    [_ | _] = [next(Server) || _ <- [shutdown, end_of_association]],
    lists:foreach(fun(Socket) -> ok = gosocket:close(Socket) end, [hd(Clients), Own, Server]).

%% Says something on stream 1, which sets up the association.
-spec client(string(), gosocket:sockaddr()) -> gosocket:socket().
client(Name, Address) ->
    {ok, Client} = gosocket:open(inet, seqpacket, sctp),
    ok = gosocket:sendmsg(Client, #{addr => Address, iov => [Name],
                                    ctrl => [#{level => sctp, type => sndinfo, data => #{sid => 1}}]}),
    Client.

%% Shows the server's next message and answers it; returns the association that it is of.
-spec next(gosocket:socket()) -> gosocket:sctp_assoc_id().
next(Server) ->
    {ok, #{iov := [Data], flags := Flags, ctrl := Ctrl}} = gosocket:recvmsg(Server, 5000),
    case lists:member(notification, Flags) of
        true ->
            #{type := Type, assoc_id := Id} = Event = gosocket_sctp:notification(Data),
            io:format("association ~b: ~s~n", [Id, maps:get(state, Event, Type)]),
            Id;
        false ->
            [#{type := rcvinfo, data := #{sid := Stream, assoc_id := Id}}] = Ctrl,
            io:format("association ~b, stream ~b: ~s~n", [Id, Stream, Data]),
            ok = gosocket:sendmsg(Server, #{iov => [<<"heard you">>],
                                            ctrl => [#{level => sctp, type => sndinfo, data => #{sid => Stream, assoc_id => Id}}]}),
            Id
    end.
